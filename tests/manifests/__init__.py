"""The manifests of k8s/ as Kustomize builds them: the trial and production, alone and with components."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
# These take the place of what the trial has inside, so that only production takes them.
FOR_PRODUCTION = ("cert-manager", "external-secrets", "postgres-cloudnativepg", "rabbitmq-operator", "signing-key")
COMPONENTS = sorted({path.name for path in (K8S / "components").iterdir()} - set(FOR_PRODUCTION))
# What has to be named before a component.
NEEDED = {"cert-manager": ("ingress",), "edge": ("network-policies",)}
VARIANTS: Mapping[str, tuple[str, ...]] = {
    "trial": (),
    **{f"trial and {name}": (*NEEDED.get(name, ()), name) for name in COMPONENTS},
    # The autoscalers by CPU and by pending images are both of imaging; the ingress and the edge are both the one proxy.
    "trial and all for CPU": ("network-policies", "ingress", "autoscaling-hpa"),
    "trial and all for KEDA": ("network-policies", "edge", "autoscaling-keda"),
}
# Network policies, and so the edge, name the data services of the trial; the operators' components add theirs.
PRODUCTION: Mapping[str, tuple[str, ...]] = {
    "production": (),
    "production for CPU": ("ingress", "autoscaling-hpa"),
    "production for KEDA": ("ingress", "autoscaling-keda"),
    **{f"production and {name}": (*NEEDED.get(name, ()), name) for name in ("monitoring", *FOR_PRODUCTION)},
    "production with all": ("network-policies", "ingress", "autoscaling-hpa", "monitoring", *FOR_PRODUCTION),
}
POD_OWNERS = {"Deployment", "StatefulSet", "Job", "CronJob"}
DATA_SERVICES = {"postgres", "rabbitmq", "s3"}
# The pods of the component signing-key.
KEY_MAKERS = {"create-signing-key", "rotate-signing-key"}

Document = dict[str, Any]


@cache
def kubectl() -> str:
    """Return the path of a kubectl that is new enough."""
    found = subprocess.run([sys.executable, ROOT / "tools" / "kubectl.py"], check=True, capture_output=True, text=True)
    return found.stdout.strip()


def kustomize(folder: Path) -> str:
    """Return what `kubectl kustomize` makes of a folder."""
    done = subprocess.run([kubectl(), "kustomize", folder], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def copied() -> Iterator[Path]:
    """Yield a copy of k8s/ with secrets of its own."""
    with TemporaryDirectory() as folder:
        copy = Path(folder) / "k8s"
        shutil.copytree(K8S, copy, ignore=shutil.ignore_patterns("secrets"))
        secrets = copy / "overlays" / "trial" / "secrets"
        subprocess.run([sys.executable, ROOT / "tools" / "trial_secrets.py", secrets], check=True, capture_output=True)
        yield copy


def write_overlay(copy: Path, name: str, components: Iterable[str], below: str = "trial") -> Path:
    """Write an overlay of components on the one `below`; return its folder."""
    overlay = copy / "overlays" / name.replace(" ", "-")
    overlay.mkdir()
    said = {"namespace": "imghost", "resources": [f"../{below}"]}
    said["components"] = [f"../../components/{each}" for each in components]
    (overlay / "kustomization.yaml").write_text(json.dumps(said))
    return overlay


@cache
def built() -> Mapping[str, list[Document]]:
    """Return the documents of all variants."""
    with copied() as copy:
        for below, variants in (("trial", VARIANTS), ("production", PRODUCTION)):
            for name, components in variants.items():
                if name != below:
                    write_overlay(copy, name, components, below)
        names = [*VARIANTS, *PRODUCTION]
        with ThreadPoolExecutor(2) as pool:
            texts = pool.map(lambda name: kustomize(copy / "overlays" / name.replace(" ", "-")), names)
            return {name: list(yaml.load_all(text, yaml.CSafeLoader)) for name, text in zip(names, texts, strict=True)}


def documents(*kinds: str, variant: str = "trial") -> dict[str, Document]:
    """Return the documents of some kinds, by name."""
    return {each["metadata"]["name"]: each for each in built()[variant] if each["kind"] in kinds}


def pod_template(document: Document) -> Document:
    """Return the template of the pods that a document owns."""
    spec = document["spec"]
    template: Document = (spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec)["template"]
    return template


def pods(variant: str = "trial") -> dict[str, Document]:
    """Return all templates of pods, by the name that their label says, which is that of their process."""
    templates = [pod_template(document) for document in documents(*POD_OWNERS, variant=variant).values()]
    return {template["metadata"]["labels"]["app.kubernetes.io/name"]: template for template in templates}


def our_pods(variant: str = "trial") -> dict[str, Document]:
    """Return the templates of the pods that run images of imghost."""
    return {name: each for name, each in pods(variant).items() if name not in DATA_SERVICES | {"edge"}}


def pods_of_operators(variant: str) -> list[dict[str, str]]:
    """Return the labels of the pods that operators make of the documents of a variant."""
    label = {"Cluster": "cnpg.io/cluster", "RabbitmqCluster": "app.kubernetes.io/name"}
    found = [(each["kind"], each["metadata"]["name"]) for each in built()[variant]]
    solver = [{"acme.cert-manager.io/http01-solver": "true"} for kind, _ in found if kind == "Issuer"]
    return solver + [{label[kind]: name} for kind, name in found if kind in label]


def containers(variant: str = "trial") -> Iterator[tuple[str, Document]]:
    """Yield each container with the name of its pod."""
    for name, template in pods(variant).items():
        for container in template["spec"].get("initContainers", []) + template["spec"]["containers"]:
            yield name, container


def environment(container: Document, variant: str = "trial") -> dict[str, str]:
    """Return the variables of a container; those of secrets have the text of the reference."""
    config_maps = documents("ConfigMap", variant=variant)
    found: dict[str, str] = {}
    for source in container.get("envFrom", []):
        found |= config_maps[source["configMapRef"]["name"]]["data"]
    for each in container.get("env", []):
        found[each["name"]] = each.get("value", str(each.get("valueFrom")))
    return found
