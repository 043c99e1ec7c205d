"""The OpenAPI document itself: valid, complete, and true to its own examples."""

from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from clients import path
from gateway.web.docs import document
from wire import Contract, ContractBreachError, validator_of

DOCUMENT = document()
OPERATIONS = [
    (f"{method.upper()} {target}", operation)
    for target, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
]
IDS = [name for name, _ in OPERATIONS]


def media_types() -> list[tuple[str, dict[str, Any]]]:
    """Return every media type object of the document that has a schema, with a name for it."""
    found = [
        (f"{where} {kind}", media)
        for where, operation in OPERATIONS
        for described in (operation.get("requestBody", {}), *operation["responses"].values())
        for kind, media in described.get("content", {}).items()
    ]
    found += [
        (f"{name} {kind}", media)
        for name, response in DOCUMENT["components"]["responses"].items()
        for kind, media in response["content"].items()
    ]
    return [(where, media) for where, media in found if "schema" in media]


def test_the_document_is_valid_openapi_3_1() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    OpenAPIV31SpecValidator(DOCUMENT).validate()


def test_operation_ids_are_unique() -> None:
    ids = [operation["operationId"] for _, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)


def test_all_tags_are_described() -> None:
    described = {tag["name"] for tag in DOCUMENT["tags"]}
    assert {tag for _, operation in OPERATIONS for tag in operation["tags"]} == described


@pytest.mark.parametrize(("where", "media"), media_types(), ids=[where for where, _ in media_types()])
def test_examples_fit_their_schemas(where: str, media: dict[str, Any]) -> None:
    validator = validator_of(DOCUMENT, media["schema"])
    examples = [example for name, example in media.items() if name == "example"]
    for reference in media.get("examples", {}).values():
        named = reference.get("$ref", "").rpartition("/")[2]
        examples.append((DOCUMENT["components"]["examples"][named] if named else reference)["value"])
    assert examples or media["schema"] == {"type": "string"} or "openapi" in where, "no example"
    for example in examples:
        assert [fault.message for fault in validator.iter_errors(example)] == []


def test_head_is_documented_wherever_get_is() -> None:
    for target, item in DOCUMENT["paths"].items():
        assert ("get" in item) == ("head" in item), target
        if "get" in item:
            assert item["head"]["responses"] == item["get"]["responses"]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=IDS)
def test_private_operations_tell_of_credentials_and_of_services_that_are_down(
    name: str, operation: dict[str, Any]
) -> None:
    is_private = operation.get("security") != []
    assert is_private == ({"401", "429"} <= set(operation["responses"]))
    assert not is_private or "503" in operation["responses"]
    assert name.startswith("OPTIONS") or operation["summary"]


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=IDS)
def test_bodies_may_be_json_or_forms_and_are_refused_alike(name: str, operation: dict[str, Any]) -> None:
    if "requestBody" in operation:
        content = set(operation["requestBody"]["content"])
        if content & {"multipart/form-data", "application/octet-stream"}:  # uploads
            return
        forms = set() if is_batch(operation) else {"application/x-www-form-urlencoded"}
        assert content == {"application/json"} | forms
        assert {"400", "408", "413", "415", "422"} <= set(operation["responses"]), name


def is_batch(operation: dict[str, Any]) -> bool:
    """Return whether an operation carries out several ones, which are listed in JSON, and have a result each."""
    schema = operation["responses"].get("200", {}).get("content", {}).get("application/json", {}).get("schema", {})
    return bool(schema == {"$ref": "#/components/schemas/Results"})


def codes(operation: dict[str, Any], status: str) -> set[str]:
    """Return the codes of the problems with which an operation may answer `status`."""
    reference = operation["responses"].get(status, {"$ref": ""})["$ref"].rpartition("/")[2]
    return codes_of(DOCUMENT["components"]["responses"][reference]) if reference else set()


def codes_of(response: dict[str, Any]) -> set[str]:
    """Return the codes of the problems that `response` may tell of; a page has none."""
    media = response["content"].get("application/problem+json")
    if media is None:
        return set()
    code = media["schema"]["properties"]["code"]
    return set(code.get("enum", [code.get("const")]))


@pytest.mark.parametrize(("name", "operation"), OPERATIONS, ids=IDS)
def test_every_post_takes_an_idempotency_key_and_nothing_else_does(name: str, operation: dict[str, Any]) -> None:
    named = {"$ref": "#/components/parameters/IdempotencyKey"} in operation["parameters"]
    assert named == name.startswith("POST ")
    for status, code in (
        ("400", "malformed-idempotency-key"),
        ("409", "idempotency-key-in-flight"),
        ("422", "idempotency-key-reused"),
        ("429", "too-many-idempotency-keys"),
    ):
        is_of_each_result = is_batch(operation) and status != "400"
        assert (code in codes(operation, status)) == (named and not is_of_each_result)
    if named and not is_batch(operation):
        shows_secret = "secret-not-kept" in codes(operation, "409")
        responses = operation["responses"]
        created = responses["201"] if "201" in responses else responses["200"]
        assert shows_secret or "Idempotency-Replayed" in created["headers"]


def test_every_object_is_closed() -> None:
    """Otherwise an undocumented member would pass unnoticed."""
    for name, schema in DOCUMENT["components"]["schemas"].items():
        if schema.get("type") == "object":
            assert schema["additionalProperties"] is False, name


def test_all_codes_of_problems_are_listed() -> None:
    used = set()
    for response in DOCUMENT["components"]["responses"].values():
        used |= codes_of(response)
    listed = DOCUMENT["components"]["schemas"]["Problem"]["description"]
    assert {code for code in used if f"`{code}`" not in listed} == set()


def test_the_contract_knows_a_key_with_slashes_from_a_route_with_more_segments() -> None:
    with pytest.raises(ContractBreachError, match="no such operation"):
        Contract().check_request("POST", path("collections", "name", "images", "a/b"), {}, None)
    Contract().check_request("PUT", path("collections", "name", "images", "a/b"), {}, None)
