"""What a real API server, controllers and scheduler say about the chart. Its nodes are played, so no container runs."""

import copy
import json
import os
from collections import Counter

import pytest
import yaml

from conftest import EXAMPLES
from control_plane import NODES, ZONES, ControlPlane
from documents import CHART, PLAIN, ROOT
from manifests import component, custom_resource_files, of_kind, pods, release

pytestmark = [
    pytest.mark.helm,
    pytest.mark.skipif("CLUSTER" not in os.environ, reason=".ci/helm cluster builds what this needs"),
]

RESTRICTED = "pod-security.kubernetes.io"
INSTANCE = "app.kubernetes.io/instance=orders"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with ControlPlane(os.environ["CLUSTER"], tmp_path_factory.mktemp("cluster")) as running:
        for path in custom_resource_files():
            done = running.kubectl("apply", "--server-side", "--filename", str(path))
            assert done.returncode == 0, done.stderr
        waited = running.kubectl("wait", "--for=condition=Established", "--all", "crd", "--timeout=60s")
        assert waited.returncode == 0, waited.stderr
        yield running


def restricted_namespace(cluster, name):
    labels = {f"{RESTRICTED}/{mode}": "restricted" for mode in ("enforce", "warn", "audit")}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    done = cluster.kubectl("apply", "--server-side", "--filename=-", text=yaml.safe_dump(namespace))
    assert done.returncode == 0, done.stderr
    return name


def install(cluster, namespace, *settings, variant=None, verb="install"):
    """Installs the chart with an example, which is that of the namespace's name unless another is given."""
    variant = variant or namespace
    values = ["--values", str(EXAMPLES[variant])] if variant in EXAMPLES else []
    for setting in settings:
        values += ["--set-json", setting]
    return cluster.helm(verb, "orders", str(CHART), "--namespace", namespace, *values)


@pytest.fixture(scope="module", params=["defaults", *EXAMPLES])
def installed(cluster, request):
    """Returns the name of a namespace with the chart in it, and what helm said."""
    restricted_namespace(cluster, request.param)
    return request.param, install(cluster, request.param)


def test_the_chart_is_installed_without_a_warning(installed):
    _, done = installed
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_the_controllers_make_every_pod_under_the_restricted_standard(cluster, installed):
    namespace, _ = installed
    wanted = {}
    for resource in of_kind(release(namespace), "Deployment", "StatefulSet"):
        wanted[resource["metadata"]["name"]] = resource["spec"].get("replicas", 1)
    for scaler in of_kind(release(namespace), "HorizontalPodAutoscaler"):
        # Its controller raises a Deployment to its least number even without metrics.
        wanted[scaler["spec"]["scaleTargetRef"]["name"]] = scaler["spec"]["minReplicas"]

    def made():
        counts = dict.fromkeys(wanted, 0)
        for pod in cluster.get("pods", namespace):
            # The longest name that the pod's begins with: one Deployment's may begin with another's.
            owner = max((name for name in wanted if pod["metadata"]["name"].startswith(f"{name}-")), key=len)
            counts[owner] += 1
        return counts

    cluster.until(lambda: made() == wanted)
    refused = [event["message"] for event in cluster.get("events", namespace) if event["reason"].startswith("FailedCreate")]
    assert (made(), refused) == (wanted, [])


def condition(resource, kind):
    found = [one["status"] for one in resource["status"].get("conditions", []) if one["type"] == kind]
    return found[0] if found else "Unknown"


def unready(cluster, namespace):
    """Returns the pods that aren't ready, each with what the scheduler says."""
    return {
        pod["metadata"]["name"]: pod["status"].get("conditions")
        for pod in cluster.get("pods", namespace) if condition(pod, "Ready") != "True"
    }


def ready_pods(cluster, namespace, of):
    """Returns the nodes of the ready pods of a component that nobody deletes, by the pods' names."""
    return {
        pod["metadata"]["name"]: pod["spec"]["nodeName"]
        for pod in cluster.get("pods", namespace)
        if component(pod["metadata"]) == of and condition(pod, "Ready") == "True"
        and "deletionTimestamp" not in pod["metadata"]
    }


def test_every_pod_is_scheduled_and_gets_ready(cluster, installed):
    namespace, _ = installed
    assert cluster.until(lambda: cluster.get("pods", namespace) and not unready(cluster, namespace)), (
        unready(cluster, namespace)
    )
    claims = {claim["metadata"]["name"]: claim["status"]["phase"] for claim in cluster.get("pvc", namespace)}
    wanted = [one["metadata"]["name"] for one in of_kind(release(namespace), "StatefulSet") if one["spec"].get("volumeClaimTemplates")]
    assert claims == {f"data-{name}-0": "Bound" for name in wanted}


def test_the_controllers_take_the_budgets_and_the_scalers(cluster, installed):
    namespace, _ = installed

    def budgets():
        return {
            budget["metadata"]["name"]: budget["status"].get("expectedPods", 0) > 0
            for budget in cluster.get("poddisruptionbudgets", namespace)
        }

    # Nobody makes pods of a WorkerDeployment here.
    made = {component(one["metadata"]) for one in of_kind(release(namespace), "Deployment", "StatefulSet")}
    wanted = {
        budget["metadata"]["name"]: component(budget["metadata"]) in made
        for budget in of_kind(release(namespace), "PodDisruptionBudget")
    }
    cluster.until(lambda: budgets() == wanted)
    assert budgets() == wanted

    def scalers():
        return {
            scaler["metadata"]["name"]: condition["status"]
            for scaler in cluster.get("horizontalpodautoscalers", namespace)
            for condition in scaler["status"].get("conditions", []) if condition["type"] == "AbleToScale"
        }

    wanted = {scaler["metadata"]["name"] for scaler in of_kind(release(namespace), "HorizontalPodAutoscaler")}
    cluster.until(lambda: scalers().keys() == wanted)
    assert scalers() == dict.fromkeys(wanted, "True")


def test_an_upgrade_and_a_rollback_change_what_they_should(cluster, installed):
    namespace, _ = installed
    done = install(cluster, namespace, 'image.tag="9.9.9"', verb="upgrade")
    assert (done.returncode, done.stderr) == (0, "")

    def image():
        deployments = {one["metadata"]["name"]: one for one in cluster.get("deployments", namespace)}
        return deployments["orders-order-fulfilment-api"]["spec"]["template"]["spec"]["containers"][0]["image"]

    assert image().endswith("temporal-api:9.9.9")
    done = cluster.helm("rollback", "orders", "1", "--namespace", namespace)
    assert (done.returncode, done.stderr) == (0, "")
    assert image().endswith("temporal-api:0.1.0")


@pytest.fixture
def ready_release(cluster, request):
    """Returns a namespace of the test's own, with the chart's defaults in it and every pod ready."""
    namespace = restricted_namespace(cluster, request.function.__name__.removeprefix("test_").replace("_", "-")[:40].strip("-"))
    done = install(cluster, namespace, "provider.persistence.enabled=false")
    assert (done.returncode, done.stderr) == (0, "")
    settled(cluster, namespace)
    yield namespace
    cluster.helm("uninstall", "orders", "--namespace", namespace)


def settled(cluster, namespace, **counts):
    """Waits until every pod is ready, and the API's number of pods is as given."""
    def holds():
        found = len(ready_pods(cluster, namespace, "api")) == counts.get("api", 2)
        return found and not unready(cluster, namespace)

    assert cluster.until(holds), unready(cluster, namespace)


@pytest.mark.parametrize("insists", ["ScheduleAnyway", "DoNotSchedule"])
def test_pods_spread_over_zones_and_nodes(cluster, insists):
    namespace = restricted_namespace(cluster, f"spread-{insists.lower()}")
    counts = {"api": 6, "founder": 3, "worker": 6}
    settings = [f"{of}.replicas={count}" for of, count in counts.items()]
    done = install(cluster, namespace, f'topologySpread.whenUnsatisfiable="{insists}"', *settings)
    assert (done.returncode, done.stderr) == (0, "")
    settled(cluster, namespace, api=6)
    for of, count in counts.items():
        nodes = list(ready_pods(cluster, namespace, of).values())
        assert Counter(NODES[node] for node in nodes) == dict.fromkeys(ZONES, count // len(ZONES)), of
        assert len(set(nodes)) == count, of
    cluster.helm("uninstall", "orders", "--namespace", namespace)


def test_a_pod_that_must_spread_waits_for_a_node(cluster):
    namespace = restricted_namespace(cluster, "spread-waits")
    done = install(cluster, namespace, 'topologySpread.whenUnsatisfiable="DoNotSchedule"', "api.replicas=7")
    assert (done.returncode, done.stderr) == (0, "")
    # Six nodes may have one each, and a seventh pod on any of them is a skew of one, which is permitted.
    settled(cluster, namespace, api=7)
    assert sorted(Counter(ready_pods(cluster, namespace, "api").values()).values()) == [1, 1, 1, 1, 1, 2]
    cluster.kubectl("cordon", *(node for node, zone in NODES.items() if zone == "a"), check=True)
    try:
        cluster.kubectl("--namespace", namespace, "scale", "deployment", "orders-order-fulfilment-api", "--replicas=12", check=True)

        def said():
            return [
                one["message"] for pod in cluster.get("pods", namespace) for one in pod["status"].get("conditions", [])
                if one["type"] == "PodScheduled" and one["status"] == "False"
            ]

        found = cluster.until(said)
        assert found and "didn't match pod topology spread constraints" in found[0], found
    finally:
        cluster.kubectl("uncordon", *NODES, check=True)
    settled(cluster, namespace, api=12)
    cluster.helm("uninstall", "orders", "--namespace", namespace)


def evict(cluster, namespace, pod):
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
    path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
    return cluster.kubectl("create", "--raw", path, "--filename=-", text=json.dumps(eviction))


@pytest.mark.parametrize("of", ["api", "founder", "worker"])
def test_a_budget_refuses_a_second_eviction(cluster, ready_release, of):
    namespace = ready_release
    first, second = ready_pods(cluster, namespace, of)
    budget = f"orders-order-fulfilment-{of}"

    def allowed():
        (found,) = (one for one in cluster.get("pdb", namespace) if one["metadata"]["name"] == budget)
        return found["status"]["disruptionsAllowed"] == 1

    assert cluster.until(allowed)
    # Without a node, the pod that replaces the evicted one waits.
    cluster.kubectl("cordon", *NODES, check=True)
    try:
        done = evict(cluster, namespace, first)
        assert done.returncode == 0, done.stderr
        done = evict(cluster, namespace, second)
        assert done.returncode != 0 and "would violate the pod's disruption budget" in done.stderr, done.stderr
    finally:
        cluster.kubectl("uncordon", *NODES, check=True)
    settled(cluster, namespace)
    assert cluster.until(allowed)
    done = evict(cluster, namespace, second)
    assert done.returncode == 0, done.stderr


def test_a_drain_of_a_zone_takes_one_pod_of_a_kind_at_a_time(cluster):
    namespace = restricted_namespace(cluster, "drained")
    drained = [node for node, zone in NODES.items() if zone == "a"]
    # At first, every pod is in that zone.
    cluster.kubectl("cordon", *(node for node in NODES if node not in drained), check=True)
    try:
        done = install(cluster, namespace, "provider.persistence.enabled=false")
        assert (done.returncode, done.stderr) == (0, "")
        settled(cluster, namespace)
    finally:
        cluster.kubectl("uncordon", *NODES, check=True)
    fewest = {of: len(ready_pods(cluster, namespace, of)) for of in ("api", "founder", "worker")}
    assert fewest == {"api": 2, "founder": 2, "worker": 2}
    options = ["--ignore-daemonsets", "--delete-emptydir-data", "--timeout=90s", f"--pod-selector={INSTANCE}"]
    draining = cluster.start_kubectl("drain", *drained, *options)
    try:
        while draining.poll() is None:
            for of in fewest:
                fewest[of] = min(fewest[of], len(ready_pods(cluster, namespace, of)))
        assert draining.returncode == 0, draining.communicate()
        settled(cluster, namespace)
        for of in fewest:
            assert not set(drained) & set(ready_pods(cluster, namespace, of).values()), of
        assert min(fewest.values()) >= 1, fewest
    finally:
        draining.kill()
        draining.communicate()
        cluster.kubectl("uncordon", *NODES, check=True)
    cluster.helm("uninstall", "orders", "--namespace", namespace)


NEVER_READY = '{"order-fulfilment.example/ready":"never"}'


@pytest.mark.parametrize("of", ["api", "founder", "worker"])
def test_a_rollout_waits_for_ready_pods_and_keeps_the_old_ones(cluster, ready_release, of):
    namespace, name = ready_release, f"orders-order-fulfilment-{of}"
    before = ready_pods(cluster, namespace, of)
    settings = ("provider.persistence.enabled=false",)
    done = install(cluster, namespace, *settings, f"{of}.podAnnotations={NEVER_READY}", verb="upgrade")
    assert (done.returncode, done.stderr) == (0, "")

    def made():
        return [pod for pod in cluster.get("pods", namespace) if component(pod["metadata"]) == of]

    # One new pod is made, and no more while it isn't ready. No old one ends.
    assert cluster.until(lambda: len(made()) == 3 and all(pod["status"].get("phase") == "Running" for pod in made()))
    rollout = cluster.kubectl("--namespace", namespace, "rollout", "status", f"deployment/{name}", "--timeout=3s")
    assert rollout.returncode != 0 and "timed out" in rollout.stderr, rollout.stdout
    assert len(made()) == 3 and ready_pods(cluster, namespace, of) == before
    if of != "worker":
        # Only the ready pods get requests. The service of the worker is for its metrics, which all pods have.
        slices = [one for one in cluster.get("endpointslices", namespace) if one["metadata"]["name"].startswith(name)]
        routed = {
            endpoint["targetRef"]["name"]: endpoint["conditions"]["ready"]
            for one in slices for endpoint in one["endpoints"] or []
        }
        assert len(routed) == 3 and {pod for pod, ready in routed.items() if ready} == before.keys(), routed
    # With a pod that gets ready, the rollout ends, and at no time are there fewer ready pods than before.
    done = install(cluster, namespace, *settings, f'{of}.podAnnotations={{"build":"next"}}', verb="upgrade")
    assert (done.returncode, done.stderr) == (0, "")
    rollout = cluster.start_kubectl("--namespace", namespace, "rollout", "status", f"deployment/{name}", "--timeout=60s")
    fewest = len(before)
    while rollout.poll() is None:
        fewest = min(fewest, len(ready_pods(cluster, namespace, of)))
    assert rollout.returncode == 0, rollout.communicate()
    rollout.communicate()
    assert fewest == len(before)
    assert not ready_pods(cluster, namespace, of).keys() & before.keys()


def test_a_version_that_temporals_controller_makes_gets_ready(cluster):
    namespace = restricted_namespace(cluster, "controlled")
    done = install(cluster, namespace, variant="worker-controller")
    assert (done.returncode, done.stderr) == (0, "")
    (made,) = cluster.get("workerdeployments", namespace)
    (connection,) = cluster.get("connections", namespace)
    secret = connection["spec"]["mutualTLSSecretRef"]["name"]
    labels = {"temporal.io/deployment-name": made["metadata"]["name"], "temporal.io/build-id": "0.1.0-5d9f"}
    template = copy.deepcopy(made["spec"]["template"])
    template["metadata"]["labels"] |= labels
    template["spec"]["volumes"].append({"name": "temporal-tls", "secret": {"secretName": secret}})
    container = template["spec"]["containers"][0]
    container["volumeMounts"].append({"name": "temporal-tls", "mountPath": "/etc/temporal/tls"})
    container.setdefault("env", []).extend([
        {"name": "TEMPORAL_DEPLOYMENT_NAME", "value": f"{namespace}/{made['metadata']['name']}"},
        {"name": "TEMPORAL_WORKER_BUILD_ID", "value": "0.1.0-5d9f"},
    ])
    deployment = {
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "version", "labels": labels},
        "spec": {"replicas": made["spec"]["replicas"], "selector": {"matchLabels": labels}, "template": template},
    }
    done = cluster.kubectl(
        "--namespace", namespace, "apply", "--server-side", "--validate=strict", "--filename=-",
        text=yaml.safe_dump(deployment),
    )
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
    assert cluster.until(lambda: len(ready_pods(cluster, namespace, "worker")) == 3), unready(cluster, namespace)

    def protected():
        budgets = {component(one["metadata"]): one["status"] for one in cluster.get("pdb", namespace)}
        return budgets["worker"].get("expectedPods")

    assert cluster.until(lambda: protected() == 3), protected()


def test_the_pod_of_helm_test_is_admitted(cluster, installed):
    namespace, _ = installed
    (pod,) = of_kind(release(namespace), "Pod")
    done = create(cluster, namespace, pod)
    assert (done.returncode, done.stderr) == (0, "")


def create(cluster, namespace, pod):
    pod = copy.deepcopy(pod)
    pod["metadata"]["namespace"] = namespace
    return cluster.kubectl("create", "--dry-run=server", "--validate=strict", "--filename=-", text=yaml.safe_dump(pod))


def test_a_pod_with_less_security_is_refused(cluster):
    namespace = restricted_namespace(cluster, "refused")
    cluster.kubectl("--namespace", namespace, "create", "serviceaccount", "orders-order-fulfilment", check=True)
    for name, metadata, spec in pods(release()):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {**metadata, "name": "one"}, "spec": copy.deepcopy(spec)}
        pod["spec"].pop("topologySpreadConstraints", None)
        for mount in pod["spec"]["containers"][0]["volumeMounts"]:
            if mount["name"] not in {volume["name"] for volume in pod["spec"]["volumes"]}:
                pod["spec"]["volumes"].append({"name": mount["name"], "emptyDir": {}})
        assert create(cluster, namespace, pod).returncode == 0, name
        del pod["spec"]["containers"][0]["securityContext"]["capabilities"]
        done = create(cluster, namespace, pod)
        assert done.returncode != 0 and 'violates PodSecurity "restricted' in done.stderr, name


def test_the_plain_manifests_are_applied_and_change_nothing_the_second_time(cluster):
    first = cluster.kubectl("apply", "--server-side", "--validate=strict", "--kustomize", str(PLAIN))
    assert first.returncode == 0 and "Warning" not in first.stderr, first.stderr

    def versions():
        kinds = "deployments,statefulsets,services,configmaps,networkpolicies,poddisruptionbudgets,serviceaccounts"
        return {
            (one["kind"], one["metadata"]["name"]): one["metadata"]["generation"] if "generation" in one["metadata"]
            else one["metadata"]["resourceVersion"]
            for one in cluster.get(kinds, "order-fulfilment") if one["kind"] != "PodDisruptionBudget"
        }

    before = versions()
    assert len(before) > 10
    second = cluster.kubectl("apply", "--server-side", "--validate=strict", "--kustomize", str(PLAIN))
    assert second.returncode == 0, second.stderr
    assert versions() == before


def test_the_development_server_is_admitted(cluster):
    namespace = restricted_namespace(cluster, "with-temporal")
    path = ROOT / "deploy/kubernetes/temporal-development.yaml"
    done = cluster.kubectl("--namespace", namespace, "apply", "--server-side", "--validate=strict", "--filename", str(path))
    assert done.returncode == 0 and "Warning" not in done.stderr, done.stderr
    assert cluster.until(lambda: cluster.get("pods", namespace)), cluster.get("events", namespace)
