{{- define "order-fulfilment.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* Leaves room for the longest suffix in the 63 characters of a name. */}}
{{- define "order-fulfilment.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "order-fulfilment.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "order-fulfilment.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Arguments of the templates below: root, and component (api, founder, worker, provider or test). */}}
{{- define "order-fulfilment.componentName" -}}
{{- printf "%s-%s" (include "order-fulfilment.fullname" .root) .component }}
{{- end }}

{{- define "order-fulfilment.releaseSelector" -}}
app.kubernetes.io/name: {{ include "order-fulfilment.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "order-fulfilment.selector" -}}
{{ include "order-fulfilment.releaseSelector" .root }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "order-fulfilment.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "order-fulfilment.releaseSelector" .root }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: order-fulfilment
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
{{- end }}

{{/* Arguments: root, image. */}}
{{- define "order-fulfilment.image" -}}
{{- $name := .image.repository }}
{{- with .root.Values.image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" .) $name }}{{ end }}
{{- if .image.digest }}
{{- printf "%s@%s" $name .image.digest }}
{{- else }}
{{- printf "%s:%s" $name (.image.tag | default .root.Values.image.tag | default .root.Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- define "order-fulfilment.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "order-fulfilment.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{- define "order-fulfilment.providerUrl" -}}
{{- if .Values.provider.enabled }}
{{- printf "http://%s:%v" (include "order-fulfilment.componentName" (dict "root" . "component" "provider")) .Values.provider.service.port }}
{{- else }}
{{- .Values.provider.externalUrl }}
{{- end }}
{{- end }}

{{/* The program that a component runs; also the name of its Prometheus job. */}}
{{- define "order-fulfilment.program" -}}
{{- get (dict "api" "temporal-api" "founder" "founder" "worker" "temporal-worker" "provider" "fake-stripe-chaos") . }}
{{- end }}

{{/* The port that a component listens on. */}}
{{- define "order-fulfilment.port" -}}
{{- get (dict "api" 3002 "founder" 3000 "worker" 9464 "provider" 3001) . }}
{{- end }}

{{/* The environment of a component: what the chart knows, and the component's own config. */}}
{{- define "order-fulfilment.config" -}}
{{- $root := .root }}
{{- $values := get $root.Values .component }}
{{- $config := dict "SHUTDOWN_GRACE" (printf "%vs" $values.shutdownGraceSeconds) }}
{{- $address := printf "%s:%s" $root.Values.listenHost (include "order-fulfilment.port" .component) }}
{{- if eq .component "worker" }}
{{- $_ := set $config "METRICS_ADDR" $address }}
{{- $_ := set $config "PROVIDER_URL" (include "order-fulfilment.providerUrl" $root) }}
{{- $_ := set $config "MAX_CONCURRENT_ACTIVITIES" (toString $values.maxConcurrentActivities) }}
{{- else }}
{{- $_ := set $config "LISTEN_ADDR" $address }}
{{- end }}
{{- if eq .component "provider" }}
{{- $_ := set $config "LEDGER" "sqlite:/data/ledger.db" }}
{{- end }}
{{- if has .component (list "founder" "worker") }}
{{- $_ := set $config "FOUNDER_OFFLINE" (toString $root.Values.sources.offline) }}
{{- end }}
{{- if has .component (list "api" "worker") }}
{{- with $root.Values.temporal }}
{{- $_ := set $config "TEMPORAL_ADDRESS" .address }}
{{- $_ := set $config "TEMPORAL_NAMESPACE" .namespace }}
{{- $_ := set $config "TASK_QUEUE" .taskQueue }}
{{- if .tls.enabled }}
{{- $_ := set $config "TEMPORAL_TLS" "true" }}
{{- with .tls.serverName }}{{ $_ := set $config "TEMPORAL_TLS_SERVER_NAME" . }}{{ end }}
{{- if .tls.ca.existingSecret }}
{{- $_ := set $config "TEMPORAL_TLS_SERVER_CA_CERT_PATH" "/etc/temporal/tls/ca.crt" }}
{{- end }}
{{- if .tls.client.existingSecret }}
{{- $_ := set $config "TEMPORAL_TLS_CLIENT_CERT_PATH" "/etc/temporal/tls/tls.crt" }}
{{- $_ := set $config "TEMPORAL_TLS_CLIENT_KEY_PATH" "/etc/temporal/tls/tls.key" }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml (merge $config .config $values.config) }}
{{- end }}

{{/* Requests to the container at its health endpoints: live restarts it, ready decides about traffic. */}}
{{- define "order-fulfilment.probes" -}}
startupProbe:
  httpGet: {path: /health/live, port: http}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /health/live, port: http}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /health/ready, port: http}
  periodSeconds: 5
  # A dependency may take 2 s to answer.
  timeoutSeconds: 5
  failureThreshold: 2
{{- end }}

{{- define "order-fulfilment.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "order-fulfilment.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{/*
The pod of a component. Arguments: root, component, selector (labels as text), config (more variables), image,
and volumeClaim where a claim template serves the volume `data`.
*/}}
{{- define "order-fulfilment.pod" -}}
{{- $root := .root }}
{{- $component := .component }}
{{- $values := get $root.Values $component }}
{{- $temporal := has $component (list "api" "worker") }}
{{- /* Temporal's worker controller adds the credentials to the worker by itself. */}}
{{- $controlled := and (eq $component "worker") $root.Values.worker.controller.enabled }}
{{- $tls := and $temporal (not $controlled) $root.Values.temporal.tls.enabled (or $root.Values.temporal.tls.ca.existingSecret $root.Values.temporal.tls.client.existingSecret) }}
{{- $config := include "order-fulfilment.config" (dict "root" $root "component" $component "config" .config) }}
{{- $grace := add $values.shutdownGraceSeconds ($values.preStopSeconds | default 0) ($values.longestActivitySeconds | default 0) 10 }}
metadata:
  labels:
    {{- include "order-fulfilment.selector" (dict "root" $root "component" $component) | nindent 4 }}
    {{- /* Not the chart's version: a new one alone restarts nothing. */}}
    app.kubernetes.io/version: {{ .image.tag | default $root.Values.image.tag | default $root.Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
    app.kubernetes.io/part-of: order-fulfilment
    {{- with .track }}
    order-fulfilment/track: {{ . | quote }}
    {{- end }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ $config | sha256sum }}
    {{- with $values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "order-fulfilment.serviceAccountName" $root }}
  automountServiceAccountToken: false
  # Variables such as TEMPORAL_PORT of a service beside ours are not for us.
  enableServiceLinks: false
  # Grace of the program, the longest work that it may wait for, and a margin.
  terminationGracePeriodSeconds: {{ $grace }}
  securityContext:
    {{- include "order-fulfilment.podSecurityContext" $root | nindent 4 }}
  {{- with $root.Values.image.pullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  containers:
    - name: {{ include "order-fulfilment.program" $component }}
      image: {{ include "order-fulfilment.image" (dict "root" $root "image" .image) | quote }}
      imagePullPolicy: {{ $root.Values.image.pullPolicy }}
      securityContext:
        {{- include "order-fulfilment.containerSecurityContext" $root | nindent 8 }}
      ports:
        - {name: http, containerPort: {{ include "order-fulfilment.port" $component }}, protocol: TCP}
      envFrom:
        - configMapRef: {name: {{ include "order-fulfilment.componentName" . }}}
      {{- $key := and $temporal (not $controlled) $root.Values.temporal.apiKey.existingSecret }}
      {{- $weather := and (has $component (list "founder" "worker")) $root.Values.sources.openWeather.existingSecret }}
      {{- if or .config $key $weather }}
      env:
        {{- range $name, $value := .config }}
        - {name: {{ $name }}, value: {{ $value | quote }}}
        {{- end }}
        {{- if $key }}
        - name: TEMPORAL_API_KEY
          valueFrom:
            secretKeyRef: {name: {{ $key }}, key: {{ $root.Values.temporal.apiKey.key }}}
        {{- end }}
        {{- if $weather }}
        - name: OPENWEATHER_API_KEY
          valueFrom:
            secretKeyRef: {name: {{ $weather }}, key: {{ $root.Values.sources.openWeather.key }}}
        {{- end }}
      {{- end }}
      {{- include "order-fulfilment.probes" $root | nindent 6 }}
      {{- with $values.preStopSeconds }}
      lifecycle:
        preStop:
          sleep: {seconds: {{ . }}}
      {{- end }}
      {{- with $values.resources }}
      resources:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      volumeMounts:
        - {name: tmp, mountPath: /tmp}
        {{- if $tls }}
        - {name: temporal-tls, mountPath: /etc/temporal/tls, readOnly: true}
        {{- end }}
        {{- if eq $component "provider" }}
        - {name: data, mountPath: /data}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {sizeLimit: 64Mi}
    {{- if $tls }}
    - name: temporal-tls
      projected:
        defaultMode: 0440
        sources:
          {{- with $root.Values.temporal.tls.ca }}
          {{- if .existingSecret }}
          - secret:
              name: {{ .existingSecret }}
              items: [{key: {{ .key | quote }}, path: ca.crt}]
          {{- end }}
          {{- end }}
          {{- with $root.Values.temporal.tls.client }}
          {{- if .existingSecret }}
          - secret:
              name: {{ .existingSecret }}
              items: [{key: {{ .certKey | quote }}, path: tls.crt}, {key: {{ .keyKey | quote }}, path: tls.key}]
          {{- end }}
          {{- end }}
    {{- end }}
    {{- if and (eq $component "provider") (not $values.persistence.enabled) }}
    - name: data
      emptyDir: {}
    {{- end }}
  {{- if and $root.Values.topologySpread.enabled (ne $component "provider") }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - maxSkew: 1
      topologyKey: {{ . }}
      whenUnsatisfiable: {{ $root.Values.topologySpread.whenUnsatisfiable }}
      labelSelector:
        matchLabels:
          {{- include "order-fulfilment.selector" (dict "root" $root "component" $component) | nindent 10 }}
      matchLabelKeys: [pod-template-hash]
    {{- end }}
  {{- end }}
  {{- with $values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}

{{/* A Deployment. Arguments: root, component, and of a worker: name, track, image, replicas (empty: a scaler's), config. */}}
{{- define "order-fulfilment.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "order-fulfilment.labels" . | nindent 4 }}
    {{- with .track }}
    order-fulfilment/track: {{ . | quote }}
    {{- end }}
spec:
  {{- if ne (toString .replicas) "" }}
  replicas: {{ .replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:
      {{- include "order-fulfilment.selector" . | nindent 6 }}
      {{- with .track }}
      order-fulfilment/track: {{ . | quote }}
      {{- end }}
  template:
    {{- include "order-fulfilment.pod" . | trim | nindent 4 }}
{{- end }}

{{/* The worker for Temporal's worker controller, and its way to Temporal. The same arguments. */}}
{{- define "order-fulfilment.workerDeployment" -}}
{{- $controller := .root.Values.worker.controller }}
{{- $temporal := .root.Values.temporal }}
apiVersion: temporal.io/v1alpha1
kind: Connection
metadata:
  name: {{ .name }}
  labels:
    {{- include "order-fulfilment.labels" . | nindent 4 }}
spec:
  hostPort: {{ $temporal.address | quote }}
  {{- with $temporal.tls.serverName }}
  tls: {serverName: {{ . | quote }}}
  {{- end }}
  {{- with $temporal.tls.client.existingSecret }}
  mutualTLSSecretRef: {name: {{ . }}}
  {{- end }}
  {{- if $temporal.apiKey.existingSecret }}
  apiKeySecretRef: {name: {{ $temporal.apiKey.existingSecret }}, key: {{ $temporal.apiKey.key | quote }}}
  {{- end }}
---
apiVersion: temporal.io/v1alpha1
kind: WorkerDeployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "order-fulfilment.labels" . | nindent 4 }}
spec:
  replicas: {{ .replicas }}
  workerOptions:
    connectionRef: {name: {{ .name }}}
    temporalNamespace: {{ $temporal.namespace | quote }}
  rollout:
    strategy: {{ $controller.rollout.strategy }}
    {{- if eq $controller.rollout.strategy "Progressive" }}
    steps:
      {{- toYaml $controller.rollout.steps | nindent 6 }}
    {{- end }}
  sunset:
    scaledownDelay: {{ $controller.sunset.scaledownDelay }}
    deleteDelay: {{ $controller.sunset.deleteDelay }}
  template:
    {{- include "order-fulfilment.pod" . | trim | nindent 4 }}
{{- end }}

{{/* A Service. Arguments: root, component. */}}
{{- define "order-fulfilment.service" -}}
{{- $service := (get .root.Values .component).service | default dict }}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "order-fulfilment.componentName" . }}
  labels:
    {{- include "order-fulfilment.labels" . | nindent 4 }}
    order-fulfilment/job: {{ include "order-fulfilment.program" .component }}
  {{- with $service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if eq .component "worker" }}
  # For its metrics alone, which also a worker has that isn't ready.
  clusterIP: None
  publishNotReadyAddresses: true
  {{- else }}
  type: {{ $service.type | default "ClusterIP" }}
  {{- end }}
  ports:
    - name: http
      port: {{ $service.port | default (include "order-fulfilment.port" .component) }}
      targetPort: http
      protocol: TCP
      appProtocol: http
  selector:
    {{- include "order-fulfilment.selector" . | nindent 4 }}
{{- end }}

{{- define "order-fulfilment.configMap" -}}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "order-fulfilment.componentName" . }}
  labels:
    {{- include "order-fulfilment.labels" . | nindent 4 }}
data:
  {{- include "order-fulfilment.config" (dict "root" .root "component" .component "config" dict) | nindent 2 }}
{{- end }}

{{- define "order-fulfilment.podDisruptionBudget" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "order-fulfilment.componentName" . }}
  labels:
    {{- include "order-fulfilment.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ (get .root.Values .component).podDisruptionBudget.maxUnavailable }}
  # A pod that isn't ready holds no drain up.
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "order-fulfilment.selector" . | nindent 6 }}
{{- end }}

{{- define "order-fulfilment.horizontalPodAutoscaler" -}}
{{- $scaling := (get .root.Values .component).autoscaling }}
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ include "order-fulfilment.componentName" . }}
  labels:
    {{- include "order-fulfilment.labels" . | nindent 4 }}
spec:
  scaleTargetRef:
    apiVersion: apps/v1
    kind: Deployment
    name: {{ include "order-fulfilment.componentName" . }}
  minReplicas: {{ $scaling.minReplicas }}
  maxReplicas: {{ $scaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ $scaling.targetCPUPercent }}}
{{- end }}

{{/* All that an HTTP service of ours consists of. Arguments: root, component. */}}
{{- define "order-fulfilment.httpService" -}}
{{- $values := get .root.Values .component }}
{{- $replicas := $values.replicas }}
{{- if $values.autoscaling.enabled }}{{ $replicas = "" }}{{ end }}
{{- $name := include "order-fulfilment.componentName" . }}
{{- $deployment := merge (dict "name" $name "replicas" $replicas "image" $values.image "config" dict) . }}
{{- include "order-fulfilment.configMap" . }}
---
{{ include "order-fulfilment.deployment" $deployment }}
---
{{ include "order-fulfilment.service" . }}
{{- if $values.podDisruptionBudget.enabled }}
---
{{ include "order-fulfilment.podDisruptionBudget" . }}
{{- end }}
{{- if $values.autoscaling.enabled }}
---
{{ include "order-fulfilment.horizontalPodAutoscaler" . }}
{{- end }}
{{- end }}
