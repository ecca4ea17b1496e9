"""Starts etcd, the API server and the controllers of Kubernetes on loopback, and talks to them by kubectl and helm."""

import os
import socket
import subprocess
import time
import urllib.request
from pathlib import Path

import yaml

START_LIMIT = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ControlPlane:
    """A cluster without nodes: it admits, stores and controls, and runs no pod."""

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
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
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
        self._wait(lambda: self.kubectl("get", "serviceaccount", "default", check=True))

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
