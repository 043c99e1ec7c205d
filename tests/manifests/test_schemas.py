"""The manifests against the schemas of Kubernetes, of the operators whose resources they use, and of checkov."""

import json
import subprocess
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import jsonschema
import pytest
from referencing import Registry, Resource

from manifests import ROOT, VARIANTS, Document, built

NEWEST = ("1.34", "1.35", "1.36", "1.37")
CUSTOM = {"keda.sh/v1alpha1"}


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
        if document["apiVersion"] not in CUSTOM
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


def test_custom_resources_are_valid_for_their_operators() -> None:
    """Of KEDA, by the models that are made of its definitions; a field that it does not know is refused."""
    scaled = [each for each in built()["trial and autoscaling-keda"] if each["apiVersion"] in CUSTOM]
    assert [each["kind"] for each in scaled] == ["ScaledObject"]
    folder = ROOT / "tests" / "manifests" / "custom_resources"
    install = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent", "--prefer-offline"]
    subprocess.run(install, cwd=folder, check=True, capture_output=True)

    def validate(document: Document) -> subprocess.CompletedProcess[str]:
        command = ["node", str(folder / "validate.mjs")]
        return subprocess.run(command, input=json.dumps(document), capture_output=True, text=True, check=False)

    for document in scaled:
        assert validate(document).stderr == ""
        wrong = {**document, "spec": {**document["spec"], "triggers": "none"}}
        assert "triggers" in validate(wrong).stderr
