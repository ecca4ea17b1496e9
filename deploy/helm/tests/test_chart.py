"""What the rendered chart must be, with its defaults and with every example."""

import re

import kubernetes_validate
import pytest
import yaml

import documents
from conftest import VARIANTS, helm_template
from documents import CHART, PLAIN, ROOT
from manifests import (
    component, named, of_kind, pods, release, selects, validate_custom_resource, workloads,
)

pytestmark = pytest.mark.helm

# The oldest version that the chart supports, and the newest that was known.
KUBERNETES = ["1.30.0", "1.37.0"]
CUSTOM = {"keda.sh", "monitoring.coreos.com", "gateway.networking.k8s.io", "temporal.io"}
every_variant = pytest.mark.parametrize("variant", VARIANTS)


def is_custom(resource):
    return resource["apiVersion"].split("/")[0] in CUSTOM


@every_variant
@pytest.mark.parametrize("version", KUBERNETES)
def test_every_manifest_fits_the_schema_of_kubernetes(variant, version):
    for resource in release(variant):
        if not is_custom(resource):
            kubernetes_validate.validate(resource, version, strict=True)


@every_variant
def test_every_custom_resource_fits_its_definition(variant):
    for resource in filter(is_custom, release(variant)):
        validate_custom_resource(resource)


def test_the_examples_have_every_kind_that_the_chart_can_make():
    kinds = set()
    for path in (CHART / "templates").glob("*"):
        kinds |= set(re.findall(r"^kind: (\w+)$", path.read_text(), re.MULTILINE))
    rendered = {resource["kind"] for variant in VARIANTS for resource in release(variant)}
    assert rendered == kinds


def test_a_wrong_field_of_a_custom_resource_is_found():
    scaled = named(release("temporal-cloud"), "ScaledObject", "orders-order-fulfilment-worker")
    wrong = {**scaled, "spec": {**scaled["spec"], "maxReplicas": 3}}
    with pytest.raises(Exception, match="maxReplicas"):
        validate_custom_resource(wrong)
    wrong = {**scaled, "spec": {**scaled["spec"], "pollingInterval": "soon"}}
    with pytest.raises(Exception, match="soon"):
        validate_custom_resource(wrong)


@every_variant
def test_no_two_resources_have_one_name(variant):
    names = [(resource["kind"], resource["metadata"]["name"]) for resource in release(variant)]
    assert len(names) == len(set(names))


@every_variant
def test_every_resource_has_the_recommended_labels(variant):
    for resource in release(variant):
        labels = resource["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "order-fulfilment"
        assert labels["app.kubernetes.io/instance"] == "orders"
        assert labels["app.kubernetes.io/part-of"] == "order-fulfilment"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"
        assert labels["app.kubernetes.io/version"] and labels["helm.sh/chart"]


@every_variant
def test_names_stay_within_their_limit(variant):
    long = 'fullnameOverride="' + "n" * 60 + '"'
    for resource in release(variant, long):
        assert len(resource["metadata"]["name"]) <= 63, resource["metadata"]["name"]


@every_variant
def test_every_pod_fits_the_restricted_pod_security_standard(variant):
    for name, metadata, spec in pods(release(variant)):
        context = spec["securityContext"]
        assert context["runAsNonRoot"] is True and context["runAsUser"] == 10001, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        for container in spec["containers"]:
            context = container["securityContext"]
            assert context["allowPrivilegeEscalation"] is False, name
            assert context["readOnlyRootFilesystem"] is True, name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert not any("hostPort" in port for port in container.get("ports", [])), name
            assert "memory" in container["resources"]["limits"], name
        for volume in spec["volumes"]:
            assert len({"configMap", "emptyDir", "projected", "secret", "persistentVolumeClaim"} & volume.keys()) == 1


@every_variant
def test_no_pod_gets_a_token_or_the_variables_of_other_services(variant):
    for name, _, spec in pods(release(variant)):
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
    for account in of_kind(release(variant), "ServiceAccount"):
        assert account["automountServiceAccountToken"] is False


@every_variant
def test_live_restarts_and_ready_routes(variant):
    for resource in workloads(release(variant)):
        container = resource["spec"]["template"]["spec"]["containers"][0]
        paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
        assert paths == {
            "startupProbe": "/health/live", "livenessProbe": "/health/live", "readinessProbe": "/health/ready",
        }


@every_variant
def test_every_selector_selects_the_pods_that_it_is_for(variant):
    resources = release(variant)
    templates = [(name, metadata["labels"]) for name, metadata, _ in pods(resources)]
    for workload in of_kind(resources, "Deployment", "StatefulSet"):
        selected = [name for name, labels in templates if selects(workload["spec"]["selector"], labels)]
        assert selected == [workload["metadata"]["name"]], "a Deployment selects its own pods alone"
    for resource in of_kind(resources, "Service", "PodDisruptionBudget", "NetworkPolicy"):
        spec = resource["spec"]
        selector = spec.get("podSelector") or spec["selector"]
        if resource["kind"] == "Service":
            selector = {"matchLabels": selector}
        selected = {labels["app.kubernetes.io/component"] for _, labels in templates if selects(selector, labels)}
        own = resource["metadata"]["labels"].get("app.kubernetes.io/component")
        everything = {component(metadata) for _, metadata, _ in pods(resources)}
        assert selected == ({own} if own else everything), resource["metadata"]["name"]


@every_variant
def test_every_scaler_scales_a_deployment_that_has_no_number_of_its_own(variant):
    resources = release(variant)
    scaled = set()
    for scaler in of_kind(resources, "HorizontalPodAutoscaler", "ScaledObject"):
        scaled.add(scaler["spec"]["scaleTargetRef"]["name"])
    for deployment in of_kind(resources, "Deployment"):
        assert ("replicas" not in deployment["spec"]) == (deployment["metadata"]["name"] in scaled)
    assert scaled <= {deployment["metadata"]["name"] for deployment in of_kind(resources, "Deployment")}


@every_variant
def test_every_reference_leads_somewhere(variant):
    resources = release(variant)
    config_maps = {resource["metadata"]["name"] for resource in of_kind(resources, "ConfigMap")}
    accounts = {resource["metadata"]["name"] for resource in of_kind(resources, "ServiceAccount")}
    services = {resource["metadata"]["name"]: resource for resource in of_kind(resources, "Service")}
    for name, _, spec in pods(resources):
        assert spec["serviceAccountName"] in accounts, name
        for container in spec["containers"]:
            for source in container.get("envFrom", []):
                assert source["configMapRef"]["name"] in config_maps, name
            mounts = {mount["name"] for mount in container["volumeMounts"]}
            claims = {
                claim["metadata"]["name"] for resource in workloads(resources) if resource["metadata"]["name"] == name
                for claim in resource["spec"].get("volumeClaimTemplates", [])
            }
            assert mounts == {volume["name"] for volume in spec["volumes"]} | claims, name
        for volume in spec["volumes"]:
            if "configMap" in volume:
                assert volume["configMap"]["name"] in config_maps, name
    for ingress in of_kind(resources, "Ingress"):
        for rule in ingress["spec"]["rules"]:
            for path in rule["http"]["paths"]:
                backend = path["backend"]["service"]
                assert backend["port"]["name"] in {port["name"] for port in services[backend["name"]]["spec"]["ports"]}
    for route in of_kind(resources, "HTTPRoute"):
        for backend in route["spec"]["rules"][0]["backendRefs"]:
            assert backend["port"] in {port["port"] for port in services[backend["name"]]["spec"]["ports"]}
    for trigger in (trigger for scaled in of_kind(resources, "ScaledObject") for trigger in scaled["spec"]["triggers"]):
        if trigger["type"] == "temporal" and "authenticationRef" in trigger:
            named(resources, "TriggerAuthentication", trigger["authenticationRef"]["name"])


@every_variant
def test_services_get_only_variables_that_they_read(variant):
    known = documents.documented_variables()
    for config in of_kind(release(variant), "ConfigMap"):
        of = component(config["metadata"])
        if of != "test":
            assert config["data"].keys() <= known[of].keys(), of
            assert all(isinstance(value, str) for value in config["data"].values())


def test_a_config_map_has_what_the_values_say():
    data = named(release("temporal-cloud"), "ConfigMap", "orders-order-fulfilment-api")["data"]
    assert data == {
        "APPROVAL_TIMEOUT": "24h",
        "LISTEN_ADDR": "0.0.0.0:3002",
        "SHUTDOWN_GRACE": "10s",
        "TASK_QUEUE": "founder-tasks",
        "TEMPORAL_ADDRESS": "eu-central-1.aws.api.temporal.io:7233",
        "TEMPORAL_NAMESPACE": "shop.a1b2c",
    }
    data = named(release("self-hosted"), "ConfigMap", "orders-order-fulfilment-worker")["data"]
    assert data == {
        "FOUNDER_OFFLINE": "false",
        "MAX_CONCURRENT_ACTIVITIES": "200",
        "METRICS_ADDR": "0.0.0.0:9464",
        "PROVIDER_URL": "http://orders-order-fulfilment-provider:3001",
        "SHUTDOWN_GRACE": "60s",
        "TASK_QUEUE": "founder-tasks",
        "TEMPORAL_ADDRESS": "temporal-frontend.temporal.svc.cluster.local:7233",
        "TEMPORAL_NAMESPACE": "orders",
        "TEMPORAL_TLS": "true",
        "TEMPORAL_TLS_CLIENT_CERT_PATH": "/etc/temporal/tls/tls.crt",
        "TEMPORAL_TLS_CLIENT_KEY_PATH": "/etc/temporal/tls/tls.key",
        "TEMPORAL_TLS_SERVER_CA_CERT_PATH": "/etc/temporal/tls/ca.crt",
        "TEMPORAL_TLS_SERVER_NAME": "temporal.example.com",
    }


def test_the_tls_files_are_where_the_variables_say():
    for name, metadata, spec in pods(release("self-hosted")):
        volumes = {volume["name"]: volume for volume in spec["volumes"]}
        assert ("temporal-tls" in volumes) == (component(metadata) in ("api", "worker")), name
        if "temporal-tls" in volumes:
            sources = volumes["temporal-tls"]["projected"]["sources"]
            paths = {item["path"] for source in sources for item in source["secret"]["items"]}
            assert paths == {"ca.crt", "tls.crt", "tls.key"}
            mounts = {mount["name"]: mount["mountPath"] for mount in spec["containers"][0]["volumeMounts"]}
            assert mounts["temporal-tls"] == "/etc/temporal/tls"


def test_secrets_come_by_reference_and_only_to_those_who_need_them():
    given = {}
    for _, metadata, spec in pods(release("temporal-cloud")):
        for variable in spec["containers"][0].get("env", []):
            if "valueFrom" in variable:
                reference = variable["valueFrom"]["secretKeyRef"]
                given.setdefault(component(metadata), []).append((variable["name"], reference["name"], reference["key"]))
    assert given == {
        "api": [("TEMPORAL_API_KEY", "temporal-cloud", "apiKey")],
        "founder": [("OPENWEATHER_API_KEY", "openweather", "apiKey")],
        "worker": [("TEMPORAL_API_KEY", "temporal-cloud", "apiKey"), ("OPENWEATHER_API_KEY", "openweather", "apiKey")],
    }
    assert not of_kind(release("temporal-cloud"), "Secret")


def test_a_changed_variable_restarts_its_own_pods_alone():
    def checksums(*settings):
        return {
            name: metadata["annotations"]["checksum/config"]
            for name, metadata, _ in pods(release("defaults", *settings)) if "checksum/config" in metadata["annotations"]
        }

    before, after = checksums(), checksums('api.config={"APPROVAL_TIMEOUT":"3m"}')
    assert [name for name in before if before[name] != after[name]] == ["orders-order-fulfilment-api"]
    after = checksums('temporal.namespace="other"')
    changed = sorted(name for name in before if before[name] != after[name])
    assert changed == ["orders-order-fulfilment-api", "orders-order-fulfilment-worker"]


@every_variant
def test_a_pod_is_not_killed_before_its_work_can_be_over(variant):
    for workload in workloads(release(variant)):
        spec = workload["spec"]["template"]["spec"]
        of = component(workload["metadata"])
        config = named(release(variant), "ConfigMap", f"orders-order-fulfilment-{of}")["data"]
        grace = int(config["SHUTDOWN_GRACE"].removesuffix("s"))
        hook = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        # An activity that goes on after the grace is cancelled, and may still end by itself.
        activity = longest_activity() if of == "worker" else 0
        assert spec["terminationGracePeriodSeconds"] > hook + grace + activity, workload["metadata"]["name"]


def longest_activity():
    """Returns the longest start-to-close of the table of policies."""
    table = (ROOT / "crates/workflows/src/policies.rs").read_text()
    limits = [int(seconds) for seconds in re.findall(r"\bpolicy\((\d+), \d+, \d+\)", table)]
    assert len(limits) > 3, "the table of policies is written in another way"
    return max(limits)


def test_the_values_know_the_longest_activity():
    assert yaml.safe_load((CHART / "values.yaml").read_text())["worker"]["longestActivitySeconds"] >= longest_activity()


def test_the_provider_is_one_pod_with_its_own_volume():
    provider = named(release(), "StatefulSet", "orders-order-fulfilment-provider")
    assert provider["spec"]["replicas"] == 1
    assert [claim["metadata"]["name"] for claim in provider["spec"]["volumeClaimTemplates"]] == ["data"]
    config = named(release(), "ConfigMap", "orders-order-fulfilment-provider")["data"]
    mounts = {mount["name"]: mount["mountPath"] for mount in provider["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert config["LEDGER"] == f"sqlite:{mounts['data']}/ledger.db"
    assert not any(component(budget["metadata"]) == "provider" for budget in of_kind(release(), "PodDisruptionBudget"))


def test_a_provider_outside_the_release_is_called_at_its_address():
    outside = ("defaults", "provider.enabled=false", 'provider.externalUrl="https://payments.example.com:8443"')
    assert not of_kind(release(*outside), "StatefulSet")
    worker = named(release(*outside), "ConfigMap", "orders-order-fulfilment-worker")["data"]
    assert worker["PROVIDER_URL"] == "https://payments.example.com:8443"
    flows = named(release(*outside), "NetworkPolicy", "orders-order-fulfilment-worker")["spec"]["egress"]
    assert {"ports": [{"protocol": "TCP", "port": 8443}]} in flows
    test = named(release(*outside), "Pod", "orders-order-fulfilment-test")
    variables = {variable["name"]: variable["value"] for variable in test["spec"]["containers"][0]["env"]}
    assert variables["PROVIDER_URL"] == "", "a test order at a real provider would cost money"


def test_the_worker_scales_on_its_backlog_and_on_its_slots():
    scaled = named(release("temporal-cloud"), "ScaledObject", "orders-order-fulfilment-worker")["spec"]
    assert scaled["minReplicaCount"] == 1, "queries of orders need a worker"
    backlog, slots = scaled["triggers"]
    assert (backlog["type"], slots["type"]) == ("temporal", "prometheus")
    assert backlog["metadata"]["queueTypes"] == "workflow,activity"
    assert backlog["metadata"]["taskQueue"] == "founder-tasks"
    assert slots["metadata"]["threshold"] == "140", "70 per cent of 200"
    assert slots["metadata"]["ignoreNullValues"] == "false"
    assert 'worker_type="ActivityWorker"' in slots["metadata"]["query"]
    down = scaled["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
    assert down["stabilizationWindowSeconds"] == 300
    query = re.search(r'pod=~"([^"]+)"', slots["metadata"]["query"])[1]
    assert re.fullmatch(query, "orders-order-fulfilment-worker-6d4cf56db6-x7k2p")
    assert not re.fullmatch(query, "orders-order-fulfilment-worker-next-6d4cf56db6-x7k2p")


def test_another_version_of_the_worker_is_a_deployment_of_its_own():
    resources = release("self-hosted")
    main = named(resources, "Deployment", "orders-order-fulfilment-worker")["spec"]["template"]["spec"]
    other = named(resources, "Deployment", "orders-order-fulfilment-worker-next")
    assert other["spec"]["replicas"] == 1
    assert main["containers"][0]["image"] == "registry.example.com/orders/temporal-worker:0.1.0"
    assert other["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example.com/orders/temporal-worker:0.2.0"
    assert other["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/version"] == "0.2.0"


def test_each_version_of_the_worker_can_have_its_own_build_id():
    resources = release(
        "defaults",
        'worker.config={"TEMPORAL_DEPLOYMENT_NAME":"orders","TEMPORAL_WORKER_BUILD_ID":"0.1.0"}',
        'worker.versions=[{"name":"next","tag":"0.2.0","replicas":1,"config":{"TEMPORAL_WORKER_BUILD_ID":"0.2.0"}}]',
    )
    data = named(resources, "ConfigMap", "orders-order-fulfilment-worker")["data"]
    assert (data["TEMPORAL_DEPLOYMENT_NAME"], data["TEMPORAL_WORKER_BUILD_ID"]) == ("orders", "0.1.0")
    deployment = named(resources, "Deployment", "orders-order-fulfilment-worker-next")
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    own = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert own["TEMPORAL_WORKER_BUILD_ID"] == "0.2.0"
    assert any("configMapRef" in source for source in container["envFrom"]), "the deployment's name is shared"


def test_an_image_is_named_by_registry_tag_and_digest():
    def image(*settings):
        return named(release("defaults", *settings), "Deployment", "orders-order-fulfilment-api")[
            "spec"]["template"]["spec"]["containers"][0]["image"]

    assert image() == "temporal-api:0.1.0"
    assert image('image.registry="r.example.com/x/"', 'image.tag="2"') == "r.example.com/x/temporal-api:2"
    assert image('api.image.tag="3"', 'image.tag="2"') == "temporal-api:3"
    digest = "sha256:" + "a" * 64
    assert image(f'api.image.digest="{digest}"', 'image.tag="2"') == f"temporal-api@{digest}"


# Each flow: who is called, by whom, and on which ports. Probes of the kubelet come from the node and need none.
def flows(resources):
    """Returns the allowed flows as component -> (direction, peer, port)."""
    def peer(of):
        if "ipBlock" in of:
            return of["ipBlock"]["cidr"]
        labels = of.get("podSelector", {}).get("matchLabels", {})
        namespace = of.get("namespaceSelector", {}).get("matchLabels", {}).get("kubernetes.io/metadata.name")
        return "/".join(filter(None, [namespace, labels.get("app.kubernetes.io/component") or labels.get("k8s-app")]))

    allowed = {}
    for policy in of_kind(resources, "NetworkPolicy"):
        spec = policy["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        of = policy["metadata"]["labels"].get("app.kubernetes.io/component", "everything")
        found = allowed.setdefault(of, set())
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for rule in spec.get(direction) or []:
                for one in rule.get(side) or [{}]:
                    for port in rule["ports"]:
                        found.add((side, peer(one) or "anywhere", port["port"]))
    return allowed


DNS = {("to", "kube-system/kube-dns", 53)}
SOURCES = {("to", "0.0.0.0/0", 443), ("to", "::/0", 443)}


def test_everything_is_denied_but_the_flows_that_are_needed():
    assert flows(release()) == {
        "everything": set(),
        "api": DNS | {("from", "test", 3002), ("to", "anywhere", 7233)},
        "founder": DNS | SOURCES,
        "worker": DNS | SOURCES | {("to", "anywhere", 7233), ("to", "provider", 3001)},
        "provider": {("from", "worker", 3001), ("from", "test", 3001)},
        "test": DNS | {("to", "api", 3002), ("to", "provider", 3001)},
    }


def test_a_flow_is_added_by_the_values_that_need_it():
    allowed = flows(release("temporal-cloud"))
    ports = {"api": 3002, "founder": 3000, "worker": 9464, "provider": 3001}
    assert {of for of in allowed for side, peer, _ in allowed[of] if (side, peer) == ("from", "monitoring")} == ports.keys()
    assert all(("from", "monitoring", port) in allowed[of] for of, port in ports.items())
    assert {of for of in allowed for side, peer, _ in allowed[of] if (side, peer) == ("from", "gateways")} == {"api", "founder"}
    allowed = flows(release("self-hosted"))
    assert ("to", "temporal", 7233) in allowed["api"] & allowed["worker"]
    assert ("to", "anywhere", 7233) not in allowed["api"] | allowed["worker"]
    offline = flows(release("development"))
    assert not SOURCES & (offline["founder"] | offline["worker"])
    assert flows(release("defaults", "networkPolicy.enabled=false")) == {}


CONTROLLER = '{"enabled":true,"rollout":{'
WRONG = [
    ("api.replicas=\"minus\"", "at '/api/replicas': got string, want integer"),
    ("api.replicas=-1", "at '/api/replicas': minimum: got -1, want 0"),
    ("api.replica=2", "at '/api': additional properties 'replica' not allowed"),
    ("worker.keda.minReplicas=0", "at '/worker/keda/minReplicas': minimum: got 0, want 1"),
    ("temporal.address=\"nowhere\"", "at '/temporal/address': 'nowhere' does not match pattern"),
    ("temporal.apiKey.value=\"secret\"", "at '/temporal/apiKey': additional properties 'value' not allowed"),
    ("api.config={\"APROVAL_TIMEOUT\":\"2m\"}", "at '/api/config': additional properties 'APROVAL_TIMEOUT' not allowed"),
    ("api.config={\"TEMPORAL_ADDRESS\":\"x:1\"}", "at '/api/config': additional properties 'TEMPORAL_ADDRESS' not allowed"),
    ("api.config={\"BODY_LIMIT\":5}", "at '/api/config/BODY_LIMIT': got number, want string"),
    ("image.pullPolicy=\"Sometimes\"", "at '/image/pullPolicy': value must be one of 'Always', 'IfNotPresent', 'Never'"),
    ("api.podDisruptionBudget.maxUnavailable=\"some\"", "at '/api/podDisruptionBudget/maxUnavailable': 'some' does not match"),
    ("provider.persistence.size=\"big\"", "at '/provider/persistence/size': 'big' does not match pattern"),
    ("networkPolicy.apiFrom=[{\"podselector\":{}}]", "at '/networkPolicy/apiFrom/0': additional properties 'podselector'"),
    ("provider.enabled=false", "provider.externalUrl: must be set where provider.enabled is false"),
    ("provider.externalUrl=\"http://x\"", "provider.externalUrl: is not used while provider.enabled is true"),
    ("temporal.tls.serverName=\"x\"", "temporal.tls.enabled: must be true where temporal.tls.ca, client or serverName is set"),
    ("api.autoscaling.minReplicas=11", "api.autoscaling.minReplicas: must not be above maxReplicas"),
    ("worker.versions=[{\"name\":\"main\",\"replicas\":1}]", "worker.versions: two versions are named main"),
    ("worker.controller.enabled=\"maybe\"", "at '/worker/controller/enabled': got string, want boolean"),
    ("worker.controller.rollout.strategy=\"Slow\"", "at '/worker/controller/rollout/strategy': value must be one of"),
    (f"worker.controller={CONTROLLER}\"steps\":[]}}}}", "worker.controller.rollout.steps: must have a step where the strategy"),
    ("serviceMonitor.enabled=true", "networkPolicy.metricsFrom: must let in the Prometheus of serviceMonitor"),
]


@pytest.mark.parametrize(("setting", "line"), WRONG)
def test_a_wrong_value_is_one_clear_line(setting, line):
    done = helm_template("defaults", setting)
    assert done.returncode != 0 and done.stdout == ""
    frame = re.compile(
        r"Error: (values don't meet the specifications|execution error at)|order-fulfilment:$|Use --debug flag|$"
    )
    said = [text.removeprefix("- ") for text in done.stderr.splitlines() if not frame.match(text)]
    assert len(said) == 1 and said[0].startswith(line), done.stderr


def test_several_values_that_do_not_fit_are_reported_together():
    done = helm_template("defaults", "ingress.enabled=true", "gateway.enabled=true")
    for name in ("ingress.apiHost", "gateway.apiHost", "gateway.parentRefs", "networkPolicy.apiFrom"):
        assert f"\n{name}: must" in done.stderr, done.stderr


def test_keda_cannot_ask_temporal_over_tls_without_credentials():
    done = helm_template("defaults", "worker.keda.enabled=true", "temporal.tls.enabled=true")
    assert "\nworker.keda.backlog.enabled: KEDA can ask Temporal over TLS only with" in done.stderr


CONTROLLED = ("worker-controller",)


def test_temporals_controller_gets_the_pod_of_the_deployment():
    on, off = release(*CONTROLLED), release(*CONTROLLED, "worker.controller.enabled=false")
    made = named(on, "WorkerDeployment", "orders-order-fulfilment-worker")["spec"]
    template = named(off, "Deployment", "orders-order-fulfilment-worker")["spec"]["template"]
    assert not [one for one in of_kind(on, "Deployment") if component(one["metadata"]) == "worker"]
    # The controller mounts the client certificate, and adds the same variables as this chart.
    volumes = template["spec"]["volumes"]
    template["spec"]["volumes"] = [volume for volume in volumes if volume["name"] != "temporal-tls"]
    container = template["spec"]["containers"][0]
    container["volumeMounts"] = [mount for mount in container["volumeMounts"] if mount["name"] != "temporal-tls"]
    assert made["template"] == template
    assert made["rollout"]["strategy"] == "Progressive" and made["replicas"] == 3
    connection = named(on, "Connection", made["workerOptions"]["connectionRef"]["name"])["spec"]
    assert connection == {
        "hostPort": "temporal-frontend.temporal.svc.cluster.local:7233",
        "tls": {"serverName": "temporal.example.com"},
        "mutualTLSSecretRef": {"name": "temporal-client"},
    }


def test_temporals_controller_gets_the_api_key_and_the_worker_does_not_get_it_twice():
    resources = release("defaults", "worker.controller.enabled=true", 'temporal.apiKey.existingSecret="cloud"')
    (connection,) = of_kind(resources, "Connection")
    assert connection["spec"]["apiKeySecretRef"] == {"name": "cloud", "key": "apiKey"}
    (worker,) = of_kind(resources, "WorkerDeployment")
    assert "env" not in worker["spec"]["template"]["spec"]["containers"][0]
    assert worker["spec"]["rollout"]["steps"]


NOT_WITH_CONTROLLER = [
    (["worker.keda.enabled=true"], "worker.keda.enabled: scales one Deployment"),
    (['worker.versions=[{"name":"next","replicas":1}]'], "worker.versions: the versions are those of worker.controller"),
    (['worker.config={"TEMPORAL_WORKER_BUILD_ID":"1"}'], "worker.config.TEMPORAL_WORKER_BUILD_ID: is set by worker.controller"),
    (["temporal.tls.enabled=true"], "worker.controller.enabled: the controller can ask Temporal over TLS only with"),
    (
        ["temporal.tls.enabled=true", 'temporal.tls.client.existingSecret="one"', 'temporal.apiKey.existingSecret="two"'],
        "worker.controller.enabled: the controller takes a client certificate or an API key, and not both",
    ),
    (
        ["temporal.tls.enabled=true", 'temporal.tls.client={"existingSecret":"one","certKey":"cert"}'],
        "temporal.tls.client: worker.controller needs the keys tls.crt and tls.key",
    ),
    (
        ["temporal.tls.enabled=true", 'temporal.tls.client.existingSecret="one"', 'temporal.tls.ca.existingSecret="two"'],
        "temporal.tls.ca.existingSecret: worker.controller needs ca.crt in the Secret of temporal.tls.client",
    ),
]


@pytest.mark.parametrize(("settings", "line"), NOT_WITH_CONTROLLER)
def test_values_that_do_not_fit_temporals_controller_are_refused(settings, line):
    done = helm_template("defaults", "worker.controller.enabled=true", *settings)
    assert done.returncode != 0 and f"\n{line}" in done.stderr, done.stderr


def test_the_plain_manifests_are_the_chart_with_its_defaults():
    assert (PLAIN / "order-fulfilment.yaml").read_text() == documents.plain_text(), "run .ci/helm update"


def test_the_chart_installs_the_rules_of_the_observability_folder():
    files = sorted((ROOT / "deploy/observability/rules").glob("*.yaml"))
    assert files, "there are no rules"
    expected = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    rendered = helm_template("defaults", "prometheusRule.enabled=true")
    assert rendered.returncode == 0, rendered.stderr
    rules = [one for one in yaml.safe_load_all(rendered.stdout) if one and one["kind"] == "PrometheusRule"]
    assert [one["spec"]["groups"] for one in rules] == [expected]
