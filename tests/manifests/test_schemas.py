"""The manifests against the schemas of Kubernetes, of the operators whose resources they use, and of checkov."""

import json
import os
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from manifests import K8S, ROOT, VARIANTS, Document, built

NEWEST = ("1.34", "1.35", "1.36", "1.37")
# The groups of operators of whose resources there are models, and those whose definitions CRDS may name.
MODELLED = {"keda.sh", "monitoring.coreos.com", "external-secrets.io", "cert-manager.io"}
OF_OPERATORS = (MODELLED - {"keda.sh"}) | {"postgresql.cnpg.io", "barmancloud.cnpg.io", "rabbitmq.com"}
CUSTOM = MODELLED | OF_OPERATORS


@cache
def registry(version: str) -> Registry[Any]:
    """The definitions that the schemas of a version of Kubernetes refer to."""
    text = (
        files("kubernetes_validate") / f"kubernetes-json-schema/v{version}.0-local-strict/_definitions.json"
    ).read_text()
    resource: Resource[Any] = Resource.from_contents(json.loads(text))
    empty: Registry[Any] = Registry()
    return resource @ empty


@cache
def validator(version: str, kind: str, api_version: str) -> jsonschema.Draft202012Validator:
    """A validator that also refuses fields that the version does not know."""
    group, _, number = api_version.rpartition("/")
    name = f"{kind.lower()}-{group.split('.')[0]}-{number}" if group else f"{kind.lower()}-{number}"
    text = (files("kubernetes_validate") / f"kubernetes-json-schema/v{version}.0-local-strict/{name}.json").read_text()
    resource: Resource[Any] = Resource.from_contents(json.loads(text))
    return jsonschema.Draft202012Validator(resource.contents, registry=resource @ registry(version))


def distinct() -> Iterator[Document]:
    """Yield each document once, however many variants have it; of secrets and ConfigMaps, those of the trial."""
    seen = set()
    for documents in built().values():
        for document in documents:
            text = json.dumps(document, sort_keys=True)
            if text not in seen:
                seen.add(text)
                yield document


@pytest.mark.parametrize("version", NEWEST)
def test_every_document_is_valid_in_the_four_newest_versions_of_kubernetes(version: str) -> None:
    faults = [
        f"{document['kind']} {document['metadata']['name']}: {fault.json_path}: {fault.message}"
        for document in distinct()
        if document["apiVersion"].partition("/")[0] not in CUSTOM
        for fault in validator(version, document["kind"], document["apiVersion"]).iter_errors(document)
    ]
    assert faults == []


def test_a_field_that_kubernetes_does_not_know_is_refused() -> None:
    document = next(each for each in built()["trial"] if each["kind"] == "Deployment")
    wrong = {**document, "spec": {**document["spec"], "replica": 1}}
    assert list(validator(NEWEST[-1], "Deployment", "apps/v1").iter_errors(wrong))


def test_every_variant_builds_and_none_names_an_object_twice() -> None:
    for name in VARIANTS:
        identities = [(each["kind"], each["metadata"]["name"]) for each in built()[name]]
        assert len(identities) > 50
        assert len(identities) == len(set(identities))


@pytest.fixture(scope="module")
def models() -> Path:
    """The folder where the models of operators are installed."""
    folder = ROOT / "tests" / "manifests" / "custom_resources"
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefer-offline"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)
    return folder


def custom(*groups: str) -> list[Document]:
    """Return the custom resources of some groups, and those in files that are applied by hand."""
    by_hand = yaml.safe_load_all((K8S / "components/postgres-cloudnativepg/recovery.yaml").read_text())
    return [each for each in (*distinct(), *by_hand) if each["apiVersion"].partition("/")[0] in groups]


def test_custom_resources_are_valid_for_their_operators(models: Path) -> None:
    """Of those operators of which there are models, made of their definitions; unknown fields are refused."""

    def faults(document: Document) -> str:
        command = ["node", str(models / "validate.mjs")]
        done = subprocess.run(command, input=json.dumps(document), capture_output=True, text=True, check=False)
        return done.stderr

    kinds = set()
    for document in custom(*MODELLED):
        assert faults(document) == "", document["metadata"]
        if document["kind"] not in kinds:
            kinds.add(document["kind"])
            first = next(iter(document["spec"]))
            assert first in faults({**document, "spec": {**document["spec"], first: 7}})
    assert kinds == {
        "ScaledObject",
        "PodMonitor",
        "PrometheusRule",
        "SecretStore",
        "ExternalSecret",
        "Issuer",
        "Certificate",
    }


if "CRDS" in os.environ:

    def test_custom_resources_are_valid_by_the_definitions_of_their_operators() -> None:
        """All of them but KEDA's. These definitions have megabytes, so that they are not kept here.

        CRDS names a folder with the files, as they are in the repositories of the operators.
        """
        schemas = {
            (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): version["schema"][
                "openAPIV3Schema"
            ]
            for file in Path(os.environ["CRDS"]).glob("*.yaml")
            for crd in yaml.load_all(file.read_text(), yaml.CSafeLoader)
            for version in crd["spec"]["versions"]
        }
        documents = custom(*OF_OPERATORS)
        assert {each["apiVersion"].partition("/")[0] for each in documents} == OF_OPERATORS
        for document in documents:
            known = jsonschema.Draft202012Validator(strict(schemas[document["apiVersion"], document["kind"]]))
            found = [f"{fault.json_path}: {fault.message}" for fault in known.iter_errors(document)]
            assert found == [], document["metadata"]
            assert not known.is_valid({**document, "spec": {**document["spec"], "unknown": 1}})


def strict(schema: Any) -> Any:
    """Return a schema that refuses fields which it does not name, unless it says that others may be there."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "properties" in schema and schema.get("type") == "object":
        # `metadata` is described by Kubernetes itself, and here as an object without fields.
        open_ended = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
        return inner if open_ended else {**inner, "additionalProperties": False}
    if schema.get("x-kubernetes-int-or-string"):
        return {**inner, "type": ["integer", "string"]}
    return inner
