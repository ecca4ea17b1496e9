"""Starts a control plane of Kubernetes on loopback, with nodes that kwok plays, and talks to it by kubectl and helm."""

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import yaml

START_LIMIT = 120
STAGES = Path(__file__).resolve().parents[1] / "cluster/nodes.yaml"
# Two nodes in each of three zones.
ZONES = ["a", "b", "c"]
NODES = {f"node-{zone}{number}": zone for zone in ZONES for number in (1, 2)}
# The default class, and that of an example. Nobody makes volumes here, so they are there before the claims.
STORAGE_CLASSES = ["disks", "fast"]
VOLUMES_PER_CLASS = 12


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def node(name):
    labels = {
        "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
        "topology.kubernetes.io/zone": NODES[name],
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}}


def storage(name):
    """Returns a storage class and its volumes."""
    default = {"storageclass.kubernetes.io/is-default-class": str(name == STORAGE_CLASSES[0]).lower()}
    yield {
        "apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "provisioner": "kubernetes.io/no-provisioner",
        "metadata": {"name": name, "annotations": default},
    }
    for number in range(VOLUMES_PER_CLASS):
        yield {
            "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"{name}-{number}"},
            "spec": {
                "capacity": {"storage": "100Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": name,
                "hostPath": {"path": f"/{name}/{number}"},
            },
        }


class ControlPlane:
    """A cluster that admits, stores, controls and schedules. Its nodes report pods as running, and run none."""

    def __init__(self, program, folder):
        self.program, self.folder = str(program), Path(folder)
        self.processes = []
        self.kubeconfig = self.folder / "kubeconfig"

    def __enter__(self):
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        # Nothing of the cluster is kept, so nothing waits for its end.
        for process in reversed(self.processes):
            process.kill()
        for process in self.processes:
            process.wait()

    def _start(self):
        etcd, peer, api = (free_port() for _ in range(3))
        key = self.folder / "service-account.key"
        subprocess.run(["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True)
        (self.folder / "tokens.csv").write_text("admin-token,admin,admin,system:masters\n")
        certificates = self.folder / "certificates"
        self._run(
            "etcd", f"--data-dir={self.folder / 'etcd'}", "--unsafe-no-fsync", "--log-level=error",
            f"--listen-client-urls=http://127.0.0.1:{etcd}", f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}",
        )
        self._wait(lambda: urllib.request.urlopen(f"http://127.0.0.1:{etcd}/health", timeout=2).read())
        self._run(
            "kube-apiserver", f"--etcd-servers=http://127.0.0.1:{etcd}", "--bind-address=127.0.0.1",
            f"--secure-port={api}", f"--cert-dir={certificates}", "--authorization-mode=RBAC",
            f"--token-auth-file={self.folder / 'tokens.csv'}", "--service-cluster-ip-range=10.0.0.0/24",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={key}", f"--service-account-signing-key-file={key}",
        )
        self.kubeconfig.write_text(yaml.safe_dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": f"https://127.0.0.1:{api}", "certificate-authority": str(certificates / "apiserver.crt"),
            }}],
            "users": [{"name": "admin", "user": {"token": "admin-token"}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        }))
        self._wait(lambda: self.kubectl("get", "--raw=/readyz", check=True))
        self._run(
            "kube-controller-manager", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0",
            f"--service-account-private-key-file={key}",
        )
        self._run("kube-scheduler", f"--kubeconfig={self.kubeconfig}", "--leader-elect=false", "--secure-port=0")
        # Without a port, it serves nothing.
        self._run(
            "kwok", f"--kubeconfig={self.kubeconfig}", f"--config={STAGES}", "--manage-all-nodes", "--node-port=0",
            "--node-ip=10.1.0.1", "--cidr=10.2.0.1/16", "--node-lease-duration-seconds=40",
        )
        self._wait(lambda: self.kubectl("get", "serviceaccount", "default", check=True))
        self.apply(*map(node, NODES), *(one for name in STORAGE_CLASSES for one in storage(name)))
        self.kubectl("wait", "--for=condition=Ready", "nodes", "--all", "--timeout=60s", check=True)

    def _run(self, name, *arguments):
        log = (self.folder / f"{name}.log").open("w")
        self.processes.append(subprocess.Popen(
            [self.program, name, *arguments], stdout=log, stderr=subprocess.STDOUT, cwd=self.folder, env=self._environment()
        ))

    def _wait(self, answers):
        deadline = time.monotonic() + START_LIMIT
        while True:
            for process in self.processes:
                if process.poll() is not None:
                    log = (self.folder / f"{process.args[1]}.log").read_text()
                    raise RuntimeError(f"{process.args[1]} ended: {log[-2000:]}")
            try:
                return answers()
            except (OSError, subprocess.CalledProcessError):
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.3)

    def _environment(self):
        return {**os.environ, "KUBECONFIG": str(self.kubeconfig), "HOME": str(self.folder)}

    def kubectl(self, *arguments, check=False, text=None):
        return subprocess.run(
            [self.program, "kubectl", *arguments], input=text, capture_output=True, text=True, check=check,
            env=self._environment(),
        )

    def start_kubectl(self, *arguments):
        """Starts kubectl and does not wait for it."""
        return subprocess.Popen(
            [self.program, "kubectl", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=self._environment(),
        )

    def apply(self, *resources):
        self.kubectl("apply", "--server-side", "--filename=-", text=yaml.safe_dump_all(resources), check=True)

    def helm(self, *arguments):
        return subprocess.run(
            ["helm", *arguments], capture_output=True, text=True, check=False, env=self._environment()
        )

    def get(self, kind, namespace):
        """Returns the resources of a kind in a namespace."""
        done = self.kubectl("--namespace", namespace, "get", kind, "--output", "yaml", check=True)
        return yaml.safe_load(done.stdout)["items"]

    def until(self, holds, limit=60):
        """Returns what `holds` returns once it is true, or its last answer after the limit."""
        deadline = time.monotonic() + limit
        while not (answer := holds()) and time.monotonic() < deadline:
            time.sleep(0.3)
        return answer
