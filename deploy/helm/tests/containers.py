"""Runs the four images on a Docker engine with the settings of the chart's pods, and checks how the containers behave.

    IMAGE_TAG=TAG .ci/helm containers

It renders the chart with examples/development.yaml, and starts each pod by `docker run`: user, capabilities, read-only
root, seccomp, memory, variables, volumes. The names of the Services are names in a network of the test, so no address
is changed. The Temporal development server comes from deploy/kubernetes. A setting that the test doesn't translate
ends it. Then it checks these parts:

  confinement   the user, no capability, no new privileges, seccomp; only the volumes can be written to
  probes        without Temporal, with it, with a Temporal that is silent, and with Temporal again
  SIGTERM       the worker finishes a label, and every container ends with 0 within half of its grace
  volume        the ledger is the same in a new container
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import yaml

from documents import PLAIN, PROGRAMS
from manifests import component, named, of_kind, pods, release, workloads

RUN = f"order-fulfilment-containers-{os.getpid()}"
ORDER = "containers-1"
LABEL_SECONDS = 5
# The chart's waits before SIGTERM are shortened, and the ledger gets its volume.
SETTINGS = [
    f"image.tag={json.dumps(os.environ.get('IMAGE_TAG', ''))}",
    "api.preStopSeconds=1", "founder.preStopSeconds=1", "provider.preStopSeconds=1",
    "provider.persistence.enabled=true",
    f'provider.config.SHIPPING_LABEL_DURATION="{LABEL_SECONDS}s"',
]
# Temporal's image has a shell, which looks into the other containers and prepares the volume.
TOOLS = "temporalio/temporal:1.9.1"
# The order of their start. The others wait for nobody.
COMPONENTS = ["provider", "worker", "api", "founder"]
NEED_TEMPORAL = {"api", "worker"}
ORDER_LIMIT = 60
READ_ONLY = "Read-only file system"

# Settings that are checked or translated below, or that only a cluster can have.
IN_A_CLUSTER = {
    "serviceAccountName", "automountServiceAccountToken", "enableServiceLinks", "topologySpreadConstraints",
}
POD_SETTINGS = {"terminationGracePeriodSeconds", "securityContext", "containers", "volumes"} | IN_A_CLUSTER
POD_SECURITY = {"runAsNonRoot", "runAsUser", "runAsGroup", "fsGroup", "fsGroupChangePolicy", "seccompProfile"}
CONTAINER_SECURITY = {"allowPrivilegeEscalation", "readOnlyRootFilesystem", "runAsNonRoot", "capabilities"}
CONTAINER_SETTINGS = {
    "name", "image", "imagePullPolicy", "args", "securityContext", "ports", "envFrom", "startupProbe", "livenessProbe",
    "readinessProbe", "lifecycle", "resources", "volumeMounts",
}
PROBE_SETTINGS = {"httpGet", "tcpSocket", "periodSeconds", "timeoutSeconds", "failureThreshold"}
UNITS = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30}


class Failed(Exception):
    """A container doesn't behave as the chart expects."""


def check(condition, message):
    if not condition:
        raise Failed(message)


STARTED = time.monotonic()


def say(message):
    print(f"containers: {message} ({time.monotonic() - STARTED:.0f} s)", flush=True)


def docker(*arguments, fails=False):
    """Returns the output of a Docker command; with `fails`, the command may fail, and its errors are output, too."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    check(fails or done.returncode == 0, f"docker {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout + (done.stderr if fails else "")


def only(settings, known, place):
    check(not set(settings) - known, f"{place} has settings that this test doesn't know: {set(settings) - known}")
    return settings


def amount(text):
    """Returns a quantity of Kubernetes, such as 64Mi, in bytes."""
    number, unit = re.fullmatch(r"(\d+)([KMG]i)", text).groups()
    return int(number) * UNITS[unit]


# Requests go to this machine, and to no proxy.
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def request(method, url, body=None, timeout=40):
    """Returns the status and the body of an answer."""
    data = None if body is None else json.dumps(body).encode()
    call = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with OPENER.open(call, timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def open_port(host, port, timeout):
    """Returns whether a connection stays open. The engine accepts each one, and closes it if nobody listens inside."""
    with socket.create_connection((host, port), timeout) as connection:
        connection.settimeout(min(timeout, 0.5))
        try:
            return connection.recv(1) != b""
        except TimeoutError:
            return True


class Pod:
    """A container that runs as the pod of a rendered workload."""

    def __init__(self, name, metadata, spec, resources, claims=()):
        self.name, self.container_name = name, f"{RUN}-{name}"
        self.labels = metadata["labels"]
        self.spec = only(spec, POD_SETTINGS, name)
        check(len(spec["containers"]) == 1, f"{name} has more than one container")
        self.container = only(spec["containers"][0], CONTAINER_SETTINGS, name)
        self.security = {
            **only(spec["securityContext"], POD_SECURITY, name),
            **only(self.container["securityContext"], CONTAINER_SECURITY, name),
        }
        self.grace = spec.get("terminationGracePeriodSeconds", 30)
        self.resources, self.claims = resources, claims
        self.ports = {port["name"]: port["containerPort"] for port in self.container["ports"]}
        self.mounts = [mount["mountPath"] for mount in self.container["volumeMounts"]]

    def arguments(self):
        """Translates the pod into options of `docker run`."""
        security = self.security
        # The pod's group is a further group of the process. An image's own health check is not for Kubernetes.
        yield from ("--group-add", str(security["fsGroup"]), "--no-healthcheck")
        yield from ("--user", f"{security['runAsUser']}:{security['runAsGroup']}")
        if security.get("readOnlyRootFilesystem"):
            yield "--read-only"
        for capability in security.get("capabilities", {}).get("drop", []):
            yield from ("--cap-drop", capability)
        if not security.get("allowPrivilegeEscalation", True):
            yield from ("--security-opt", "no-new-privileges")
        # The engine's default profile is the runtime's default. Kubernetes has none unless a pod asks for it.
        if security.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield from ("--security-opt", "seccomp=unconfined")
        limits = only(self.container["resources"].get("limits", {}), {"memory"}, self.name)
        if memory := limits.get("memory"):
            yield from ("--memory", str(amount(memory)), "--memory-swap", str(amount(memory)))
        for source in self.container.get("envFrom", []):
            for name, value in named(self.resources, "ConfigMap", source["configMapRef"]["name"])["data"].items():
                yield from ("--env", f"{name}={value}")
        for mount in self.container["volumeMounts"]:
            only(mount, {"name", "mountPath"}, self.name)
            # Nothing of the image's folder is copied, neither its files nor its owner.
            source = self.volume(mount["name"])
            yield from ("--mount", f"type=volume,src={source},dst={mount['mountPath']},volume-nocopy")
        for service in of_kind(self.resources, "Service"):
            if service["spec"]["selector"].items() <= self.labels.items():
                for port in service["spec"]["ports"]:
                    check(self.ports[port["targetPort"]] == port["port"], f"{self.name}: its Service has another port")
                yield from ("--network-alias", service["metadata"]["name"])
        for port in self.ports.values():
            yield from ("--publish", f"127.0.0.1::{port}")

    def volume(self, name):
        """Returns the name of a volume at the engine."""
        return f"{RUN}-{self.name}-{name}"

    def make_volumes(self):
        """Makes the volumes as a cluster does: they belong to root, and the group of the pod may write."""
        group = self.security["fsGroup"]
        for claim in self.claims:
            docker("volume", "create", self.volume(claim))
            docker(
                "run", "--rm", "--name", f"{RUN}-volume", "--network", "none", "--user", "0", "--entrypoint", "sh",
                "--mount", f"type=volume,src={self.volume(claim)},dst=/volume,volume-nocopy", TOOLS,
                "-c", f"chown 0:{group} /volume && chmod 2775 /volume",
            )
        for volume in self.spec["volumes"]:
            # In memory, so that its size has a limit. Each start begins empty, as a new pod does.
            limit = only(volume["emptyDir"], {"sizeLimit"}, self.name).get("sizeLimit")
            size = f"size={amount(limit)}," if limit else ""
            options = f"{size}mode=2777,uid=0,gid={group}"
            docker(
                "volume", "create", "--opt", "type=tmpfs", "--opt", "device=tmpfs", "--opt", f"o={options}",
                self.volume(volume["name"]),
            )

    def start(self):
        docker(
            "run", "--detach", "--name", self.container_name, "--network", RUN, *self.arguments(),
            self.container["image"], *self.container.get("args", []),
        )

    def remove(self):
        docker("rm", "--force", "--volumes", self.container_name)

    def state(self):
        return json.loads(docker("inspect", "--format", "{{json .State}}", self.container_name))

    def address(self, port="http"):
        return docker("port", self.container_name, f"{self.ports[port]}/tcp").split()[0]

    def call(self, method, path, body=None, status=200):
        """Returns the JSON of an answer, whose status must be the given one."""
        got, text = request(method, f"http://{self.address()}{path}", body)
        check(got == status, f"{method} {path} of {self.name} answered {got}: {text}")
        return json.loads(text)

    def probe(self, kind):
        """Sends one request of a probe, and returns its success and the reason."""
        probe = only(self.container[f"{kind}Probe"], PROBE_SETTINGS, f"the {kind} probe of {self.name}")
        timeout = probe.get("timeoutSeconds", 1)
        try:
            if "tcpSocket" in probe:
                host, port = self.address(probe["tcpSocket"]["port"]).split(":")
                return open_port(host, int(port), timeout), "a connection"
            target = only(probe["httpGet"], {"path", "port"}, self.name)
            status, text = request("GET", f"http://{self.address(target['port'])}{target['path']}", timeout=timeout)
            return 200 <= status < 400, f"{status} {text}"
        except (OSError, Failed) as error:
            return False, str(error)

    def settle(self, kind, wanted):
        """Probes as Kubernetes does, until the probe has the wanted result for it; returns the last reason."""
        probe = self.container[f"{kind}Probe"]
        misses, attempts = probe.get("failureThreshold", 3), 0
        # One success counts; a failure counts after as many as the threshold.
        limit, in_a_row = max(misses, 6), 1 if wanted else misses
        agreed = 0
        while agreed < in_a_row:
            result, reason = self.probe(kind)
            agreed = agreed + 1 if result == wanted else 0
            attempts += 1
            check(agreed or attempts < limit, f"the {kind} probe of {self.name} is not {wanted}: {reason}")
            check(self.state()["Running"], f"{self.name} ended")
            if agreed < in_a_row:
                time.sleep(probe.get("periodSeconds", 10))
        return reason

    def stop(self):
        """Ends the container as Kubernetes does, and returns the seconds from SIGTERM to its end."""
        lifecycle = only(self.container.get("lifecycle", {}), {"preStop"}, self.name)
        wait = lifecycle["preStop"]["sleep"]["seconds"] if lifecycle else 0
        time.sleep(wait)
        begin = time.monotonic()
        docker("stop", "--time", str(self.grace - wait), self.container_name)
        seconds, state = time.monotonic() - begin, self.state()
        check(state["ExitCode"] == 0, f"{self.name} ended with {state['ExitCode']} {seconds:.1f} s after SIGTERM")
        check(not state["OOMKilled"], f"{self.name} had too little memory")
        limit = (self.grace - wait) / 2
        check(seconds < limit, f"{self.name} ended {seconds:.1f} s after SIGTERM, which is more than {limit} s")
        return seconds

    def inside(self, command):
        """Runs a command with the user of the container, whose root is /proc/1/root; returns its output."""
        user = f"{self.security['runAsUser']}:{self.security['runAsGroup']}"
        return docker(
            "run", "--rm", "--name", f"{RUN}-inside", "--network", "none", "--pid", f"container:{self.container_name}",
            "--user", user, "--group-add", str(self.security["fsGroup"]), "--cap-drop", "ALL",
            "--entrypoint", "sh", TOOLS, "-c", command, fails=True,
        )


def confined(pod):
    """Checks what the kernel says about the process, and where it can write."""
    lines = pod.inside("cat /proc/1/status").splitlines()
    status = {name: value.split() for name, _, value in (line.partition(":") for line in lines)}
    user, group = str(pod.security["runAsUser"]), str(pod.security["runAsGroup"])
    check(user != "0" and status["Uid"] == [user] * 4, f"{pod.name} runs as the user {status['Uid']}")
    check(group != "0" and status["Gid"] == [group] * 4, f"{pod.name} runs as the group {status['Gid']}")
    check(status["Groups"] == [str(pod.security["fsGroup"])], f"{pod.name} has the groups {status['Groups']}")
    # The effective ones, those that it can get, and those that a child could have.
    sets = {name: value[0] for name, value in status.items() if name.startswith("Cap")}
    check(len(sets) == 5 and not any(int(value, 16) for value in sets.values()), f"{pod.name} has capabilities: {sets}")
    check(status["NoNewPrivs"] == ["1"], f"{pod.name} may get new privileges")
    check(status["Seccomp"] == ["2"], f"{pod.name} has no seccomp filter")
    # Everyone may write to /var/tmp, so only the read-only root prevents it.
    for folder in ("/", "/usr/local/bin", "/var/tmp"):
        said = pod.inside(f"mkdir /proc/1/root{folder}/written")
        check(READ_ONLY in said, f"the root of {pod.name} isn't read-only: {said.strip() or f'wrote to {folder}'}")
    for folder in pod.mounts:
        said = pod.inside(f"mkdir /proc/1/root{folder}/written && rmdir /proc/1/root{folder}/written")
        check(not said, f"{pod.name} can't write to {folder}: {said.strip()}")


def rendered():
    """Returns the pods of the chart by component, and that of Temporal."""
    made = {}
    resources = release("development", *SETTINGS)
    for name, metadata, spec in pods(resources):
        kind = component(metadata)
        if kind not in COMPONENTS:
            continue
        [owner] = [one for one in workloads(resources) if one["metadata"]["name"] == name]
        claims = [claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates", [])]
        made[kind] = Pod(kind, metadata, spec, resources, claims)
    check(sorted(made) == sorted(PROGRAMS.values()), f"the chart has the pods {sorted(made)}")
    resources = list(yaml.safe_load_all((PLAIN / "temporal-development.yaml").read_text()))
    [(_, metadata, spec)] = pods(resources)
    made["temporal"] = Pod("temporal", metadata, spec, resources)
    return made


def at_once(function, items):
    with ThreadPoolExecutor(len(items)) as pool:
        return dict(zip(items, pool.map(function, items)))


def all_ready(stack):
    at_once(lambda name: stack[name].settle("readiness", True), COMPONENTS)


def without_temporal(stack):
    """Starts all but Temporal. Everything is live, and only what needs no Temporal gets ready."""
    for name in COMPONENTS:
        stack[name].start()
    at_once(lambda name: stack[name].settle("startup", True), COMPONENTS)
    at_once(lambda name: stack[name].settle("readiness", name not in NEED_TEMPORAL), COMPONENTS)
    live(stack)
    say("started without Temporal: all are live, only founder and provider are ready")


def live(stack):
    for name in COMPONENTS:
        alive, reason = stack[name].probe("liveness")
        check(alive, f"the liveness probe of {name} is not True: {reason}")


def with_temporal(stack):
    stack["temporal"].start()
    stack["temporal"].settle("startup", True)
    stack["temporal"].settle("readiness", True)
    all_ready(stack)
    live(stack)
    say("with Temporal, all are ready")


def silent_temporal(stack):
    """Freezes Temporal for as long as Kubernetes would wait before it restarts a pod that isn't live."""
    docker("pause", stack["temporal"].container_name)
    begin = time.monotonic()
    at_once(lambda name: stack[name].settle("readiness", name not in NEED_TEMPORAL), COMPONENTS)
    seconds = time.monotonic() - begin
    say(f"without an answer from Temporal, api and worker are not ready after {seconds:.0f} s")
    probes = [stack[name].container["livenessProbe"] for name in COMPONENTS]
    deadline = begin + max(probe["periodSeconds"] * probe["failureThreshold"] for probe in probes)
    while time.monotonic() < deadline:
        live(stack)
        time.sleep(1)
    say("all of them stay live")
    docker("unpause", stack["temporal"].container_name)
    all_ready(stack)
    say("with Temporal's answers, all are ready again")


def labels(stack):
    """Returns the responses to the requests for a label; a request in flight has none."""
    entries = stack["provider"].call("GET", f"/journal?orderId={ORDER}&operation=shipping.create-label")["entries"]
    return [entry["response"] for entry in entries]


def order_ships(stack):
    """Ends the worker during a label. It finishes the label, and a new worker ships the order."""
    stack["api"].call("POST", "/api/v1/order", {
        "orderId": ORDER, "customerId": "containers", "customerEmail": "customer@example.com", "totalAmount": 59.98,
        "items": [{"sku": "book", "quantity": 2, "price": 29.99}],
        "shippingAddress": {
            "street": "1 Main Street", "city": "Springfield", "state": "IL", "zip": "62701", "country": "US",
        },
    }, status=201)
    deadline = time.monotonic() + ORDER_LIMIT
    while labels(stack) != [None]:
        check(time.monotonic() < deadline, f"the order asked for no label within {ORDER_LIMIT} s: {labels(stack)}")
        time.sleep(0.1)
    seconds = stack["worker"].stop()
    check(labels(stack) == ["success"], f"the worker ended, and the label has the responses {labels(stack)}")
    say(f"the worker finished a label of {LABEL_SECONDS} s, and ended with 0 {seconds:.1f} s after SIGTERM")
    stack["worker"].remove()
    stack["worker"].start()
    stack["worker"].settle("startup", True)
    path = f"/api/v1/order/order-fulfillment-{ORDER}/result?timeout=30"
    result = stack["api"].call("GET", path)
    check(result["status"] == "shipped", f"the order ended, and has not shipped: {result}")
    # A lost result would repeat the request.
    check(labels(stack) == ["success"], f"the label was requested again: {labels(stack)}")
    say("after a restart of the worker, the order shipped with that label")


def ledger(provider):
    paths = ("/ledger", f"/ledger/orders/{ORDER}", "/verdict?final=true")
    return {path: provider.call("GET", path) for path in paths}


def ledger_stays(stack):
    """Replaces the provider's container. The new one has the ledger of the old one."""
    provider = stack["provider"]
    provider.call("PUT", f"/ledger/orders/{ORDER}/outcome", {"outcome": "shipped"})
    before = ledger(provider)
    verdict = before["/verdict?final=true"]
    check(verdict["shipped"] == 1 and not verdict["contradictions"], f"the verdict is {verdict}")
    provider.stop()
    provider.remove()
    provider.start()
    provider.settle("startup", True)
    provider.settle("readiness", True)
    after = ledger(provider)
    check(after == before, f"the ledger was {before}, and is {after} in a new container")
    say("a new container of the provider has the same ledger and verdict")


def all_end(stack):
    # The worker is ready again, and has nothing to do.
    all_ready(stack)
    for name, seconds in at_once(lambda name: stack[name].stop(), COMPONENTS).items():
        say(f"{name} ended with 0 {seconds:.1f} s after SIGTERM, of {stack[name].grace} s")


def clean_up(failed):
    existing = docker("ps", "--all", "--format", "{{.Names}}", "--filter", f"name=^{RUN}-").split()
    for name in existing:
        if failed:
            print(f"--- {name}\n{docker('logs', '--tail', '20', name, fails=True)}", file=sys.stderr)
        docker("rm", "--force", "--volumes", name, fails=True)
    for volume in docker("volume", "ls", "--quiet", "--filter", f"name=^{RUN}-").split():
        docker("volume", "rm", "--force", volume, fails=True)
    if docker("network", "ls", "--quiet", "--filter", f"name=^{RUN}$").strip():
        docker("network", "rm", RUN, fails=True)


def main():
    if not os.environ.get("IMAGE_TAG"):
        sys.exit("containers: IMAGE_TAG has no tag of the four images")
    # SIGTERM cleans up as Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    failed = True
    try:
        stack = rendered()
        docker("network", "create", RUN)
        for pod in stack.values():
            pod.make_volumes()
        without_temporal(stack)
        for name in COMPONENTS:
            confined(stack[name])
        say("all run confined: user, groups, no capability, no new privileges, seccomp, read-only root")
        with_temporal(stack)
        confined(stack["temporal"])
        silent_temporal(stack)
        order_ships(stack)
        ledger_stays(stack)
        all_end(stack)
        failed = False
    except Failed as error:
        sys.exit(f"containers: FAILED: {error}")
    finally:
        clean_up(failed)
    say("passed")


main()
