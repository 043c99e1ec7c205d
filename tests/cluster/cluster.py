"""The trial with its network policies in a namespace of its own, and what tests do with kubectl.

The images are those of REGISTRY, if that is set, else those that were loaded into the nodes; those of the data services
are the ones that `make base-images` names, else the public ones. Nothing outside of the namespace is changed, except
for the priority classes, which every installation of imghost shares.
"""

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from containers import NO_LIMITS, images
from deadlines import until
from manifests import K8S, ROOT, kubectl

NAMESPACE = "imghost-test"
HOME = ROOT / ".imghost" / "k8s-test"
OVERLAY = HOME / "k8s" / "overlays" / "test"
S3_PORT = 35000
READY_S = 300.0
OURS = ("auth", "auth-worker", "catalog", "catalog-worker", "gateway", "imaging")
NAME = "app.kubernetes.io/name"
# The public images, and the variables that name others in their place.
PUBLIC = {
    "postgres": "POSTGRES_IMAGE",
    "rabbitmq": "RABBITMQ_IMAGE",
    "versity/versitygw": "S3_IMAGE",
    "nginxinc/nginx-unprivileged": "NGINX_IMAGE",
}

Document = dict[str, Any]


class Cluster:
    """The namespace; `port_forwards` make services reachable from here."""

    def __init__(self) -> None:
        self.port_forwards: dict[str, PortForward] = {}

    # --- kubectl ---

    def kubectl(self, *words: str, text: str = "", within_s: float = READY_S) -> str:
        """Run kubectl in the namespace; return its output, or fail with what it says."""
        command = [kubectl(), "--namespace", NAMESPACE, *words]
        done = subprocess.run(command, input=text, check=False, text=True, capture_output=True, timeout=within_s + 30)
        if done.returncode:
            pytest.fail(f"kubectl {' '.join(words)}: {(done.stderr or done.stdout)[-2000:]}", pytrace=False)
        return done.stdout

    def get(self, kind: str, *words: str) -> list[Document]:
        """Return all objects of a kind in the namespace, or those that `words` select."""
        items: list[Document] = json.loads(self.kubectl("get", kind, "--output=json", *words))["items"]
        return items

    def pods(self, name: str) -> list[Document]:
        """Return the pods of a process that are not about to end, by name."""
        found = self.get("pods", f"--selector={NAME}={name}")
        here = [
            pod
            for pod in found
            if "deletionTimestamp" not in pod["metadata"] and "probe" not in pod["metadata"]["name"]
        ]
        return sorted(here, key=lambda pod: str(pod["metadata"]["name"]))

    # --- up and down ---

    def prepare(
        self, settings: Mapping[str, Mapping[str, str]] | None = None, components: Sequence[str] = ("network-policies",)
    ) -> None:
        """Write the overlay of the tests, with components; `settings` are changed settings, by ConfigMap."""
        shutil.copytree(K8S, HOME / "k8s", ignore=shutil.ignore_patterns("secrets"), dirs_exist_ok=True)
        secrets = HOME / "k8s" / "overlays" / "trial" / "secrets"
        if not secrets.exists():
            make = [sys.executable, str(ROOT / "tools" / "trial_secrets.py"), str(secrets)]
            subprocess.run(make, check=True, capture_output=True)
        public = f"http://127.0.0.1:{S3_PORT}"
        merged: dict[str, dict[str, str]] = {
            "auth": {name: value for name, value in NO_LIMITS.items() if name.startswith("AUTH_")},
            "catalog": {
                **{name: value for name, value in NO_LIMITS.items() if name.startswith("CATALOG_")},
                "CATALOG_BUCKETS": json.dumps({"imghost": {"url": f"{public}/imghost/"}}),
                "CATALOG_S3_ENDPOINT_URL": public,
            },
            "s3-setup": {"S3_PUBLIC_URL": public},
        }
        for name, changed in (settings or {}).items():
            merged[name] = {**merged.get(name, {}), **changed}
        OVERLAY.mkdir(exist_ok=True)
        (OVERLAY / "client.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": _client()}))
        document = {
            "namespace": NAMESPACE,
            "resources": ["../trial", "client.json"],
            "components": [f"../../components/{name}" for name in components],
            "images": _images(),
            "generatorOptions": {"immutable": True},
            "configMapGenerator": [
                {"name": name, "behavior": "merge", "literals": [f"{key}={value}" for key, value in values.items()]}
                for name, values in merged.items()
            ],
        }
        (OVERLAY / "kustomization.yaml").write_text(json.dumps(document, indent=1))

    def apply(self) -> str:
        """Apply the overlay; return what kubectl says."""
        return self.kubectl("apply", "--kustomize", str(OVERLAY))

    def wait_until_ready(self, names: Iterable[str] = OURS) -> None:
        """Wait until the deployments of these names have the pods that they want."""
        for name in names:
            self.kubectl("rollout", "status", f"deployment/{name}", f"--timeout={READY_S:g}s")

    def close(self) -> None:
        """End the port-forwards."""
        for each in self.port_forwards.values():
            each.close()
        self.port_forwards.clear()

    def down(self) -> None:
        """Delete the namespace with everything in it."""
        self.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=300s")
        shutil.rmtree(HOME / "k8s", ignore_errors=True)

    def secret(self, name: str) -> dict[str, str]:
        """Return the variables of a secret of the trial."""
        text = (HOME / "k8s" / "overlays" / "trial" / "secrets" / f"{name}.env").read_text()
        return dict(line.split("=", 1) for line in text.splitlines())

    # --- reaching into it ---

    def forward(self, service: str, port: int, local: int = 0) -> int:
        """Make `port` of a service reachable at a port of this machine; return that one. Done again, it is renewed."""
        if service in self.port_forwards:
            self.port_forwards[service].close()
        local = local or free_port()
        self.port_forwards[service] = PortForward(service, port, local)
        until(lambda: _accepts(local), 30, f"no port-forward to {service}")
        return local

    def execute(self, target: str, *command: str, text: str = "") -> str:
        """Run a command in a pod, or in one of a deployment (deployment/NAME); return its output."""
        options = ["--stdin"] if text else []
        return self.kubectl("exec", *options, target, "--", *command, text=text)

    def delete(self, pod: str) -> None:
        """Delete a pod, and wait until it is gone."""
        self.kubectl("delete", "pod", pod, "--wait=true")

    def evict(self, pod: str) -> None:
        """Evict a pod as the drain of its node does."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": NAMESPACE}}
        address = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/eviction"
        self.kubectl("create", "--raw", address, "--filename=-", text=json.dumps(body))

    @contextmanager
    def patched(self, target: str, patch: object) -> Iterator[None]:
        """Change an object by a JSON patch for the block, then apply the overlay again."""
        self.kubectl("patch", target, "--type=json", f"--patch={json.dumps(patch)}")
        try:
            yield
        finally:
            self.apply()


class PortForward:
    """A port-forward that is begun again whenever it ends, as it does with its pod, or with a connection that broke."""

    def __init__(self, service: str, port: int, local: int) -> None:
        self._command = [kubectl(), "--namespace", NAMESPACE, "port-forward", f"service/{service}", f"{local}:{port}"]
        self._closed = threading.Event()
        self._process = self._start()
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._keeper.start()

    def close(self) -> None:
        """End it."""
        self._closed.set()
        while self._keeper.is_alive():
            self._process.kill()
            self._keeper.join(0.1)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def _keep(self) -> None:
        self._process.wait()
        while not self._closed.wait(0.2):
            self._process = self._start()
            self._process.wait()


def _images() -> list[dict[str, str]]:
    """Return where the images are, as Kustomize takes it."""
    registry = os.environ.get("REGISTRY", "").rstrip("/")
    version = re.findall(r'^version = "(.*)"$', (ROOT / "gateway" / "pyproject.toml").read_text(), re.MULTILINE)[0]
    names = [f"imghost-{name}" for name in ("auth", "catalog", "imaging", "gateway", "s3-setup")]
    tag = os.environ.get("TAG", version)
    found = [{"name": name, "newName": f"{registry}/{name}" if registry else name, "newTag": tag} for name in names]
    chosen = images()
    for name, variable in PUBLIC.items():
        new, _, new_tag = chosen[variable].rpartition(":")
        found.append({"name": name, "newName": new, "newTag": new_tag})
    return found


def plain_pod(name: str, labels: Mapping[str, str], **spec: Any) -> Document:
    """Return a pod that does nothing but wait for commands, with the Python of the gateway's image."""
    container = {
        "name": "main",
        "image": next(each for each in map(_named, _images()) if "imghost-gateway" in each),
        "imagePullPolicy": "IfNotPresent",
        "command": ["sleep", "infinity"],
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "imghost", **labels}},
        "spec": {
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [container],
            **spec,
        },
    }


def _named(image: Mapping[str, str]) -> str:
    return f"{image['newName']}:{image['newTag']}"


def _client() -> list[Document]:
    """Return a pod that sends requests to the gateway or the edge, and the policy that lets it."""
    labels = {NAME: "client"}
    doors = {"gateway": 8000, "edge": 8443}
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "client"},
        "spec": {
            "podSelector": {"matchLabels": labels},
            "policyTypes": ["Egress"],
            "egress": [
                {"to": [{"podSelector": {"matchLabels": {NAME: name}}}], "ports": [{"port": port}]}
                for name, port in doors.items()
            ],
        },
    }
    return [plain_pod("client", labels), policy]


def free_port() -> int:
    """Return a port of this machine that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def keep(name: str, text: str) -> Path:
    """Write a file beside the others of these tests, to find out why one failed."""
    file = HOME / name
    file.write_text(text)
    return file
