"""What a real API server and real controllers say about the chart. Without nodes no pod runs."""

import copy
import os

import pytest
import yaml

from conftest import EXAMPLES
from control_plane import ControlPlane
from documents import CHART, PLAIN, ROOT
from manifests import custom_resource_files, of_kind, pods, release

pytestmark = [
    pytest.mark.helm,
    pytest.mark.skipif("CLUSTER" not in os.environ, reason=".ci/helm cluster builds what this needs"),
]

RESTRICTED = "pod-security.kubernetes.io"


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


def install(cluster, variant, *settings, verb="install"):
    values = ["--values", str(EXAMPLES[variant])] if variant in EXAMPLES else []
    for setting in settings:
        values += ["--set-json", setting]
    return cluster.helm(verb, "orders", str(CHART), "--namespace", variant, *values)


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


def test_the_controllers_take_the_budgets_and_the_scalers(cluster, installed):
    namespace, _ = installed

    def budgets():
        return {
            budget["metadata"]["name"]: budget["status"].get("expectedPods", 0) > 0
            for budget in cluster.get("poddisruptionbudgets", namespace)
        }

    wanted = {budget["metadata"]["name"] for budget in of_kind(release(namespace), "PodDisruptionBudget")}
    cluster.until(lambda: budgets() and all(budgets().values()))
    assert budgets() == dict.fromkeys(wanted, True)

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
