"""The Python client has every operation, field and code of the API document, and none that is not there."""

import inspect
import re
import typing
from collections.abc import Iterator
from dataclasses import fields
from datetime import datetime
from typing import Any, get_args, get_origin, get_type_hints

import pytest

from gateway.web.docs import document
from imghost import batches, client, models, problems

API = document()
SCHEMAS = API["components"]["schemas"]
# What is for browsers and readers, or is another form of an operation.
NOT_FOR_CLIENTS = {"get_docs", "get_docs_asset", "get_problems", "get_problem"}
# What is for tools that know forms and curl only: the client sends files straight to S3.
NOT_FOR_CLIENTS |= {"upload_image", "upload_file"}
# What the client has beside the operations: they are made of several.
CONVENIENT = {"upload", "send_form", "wait_until_ready", "close", "url"}
DOCUMENTS = (
    "Size", "Thumb", "ImageError", "PublicImage", "Image", "PublicCollection", "Collection", "CollectionWithImages",
    "ApiKey", "NewApiKey", "SignedPost", "SignedPut", "Stats", "User", "Health", "Readiness",
)  # fmt: skip
# A document without a name of its own stands below another one.
SHAPES: dict[str, tuple[type, dict[str, Any]]] = {
    **{name: (getattr(models, name), SCHEMAS[name]) for name in DOCUMENTS},
    **{
        name: (getattr(batches, name), SCHEMAS[name])
        for name in (*(f"{op}Operation" for op in ("Register", "Change", "Delete", "Add", "Remove")), "Result")
    },
    "DisplayPicture": (models.Thumb, SCHEMAS["DisplayPicture"]),
    "ImageCounts": (models.ImageCounts, SCHEMAS["Stats"]["properties"]["images"]),
    "FormatCounts": (models.FormatCounts, SCHEMAS["Stats"]["properties"]["formats"]["items"]),
    "Use": (models.Use, SCHEMAS["User"]["properties"]["use"]),
    "FieldError": (problems.FieldError, SCHEMAS["FieldError"]),
}


def operations() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the operations that clients use."""
    for path in API["paths"].values():
        for method in ("get", "post", "put", "delete"):
            is_page = method in path and "Pages" in path[method]["tags"]
            if method in path and not is_page and path[method]["operationId"] not in NOT_FOR_CLIENTS:
                yield path[method]["operationId"], path[method]


def resolved(node: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the document, or what it refers to."""
    if "$ref" not in node:
        return node
    found: Any = API
    for part in node["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return dict(found)


def parameters(name: str) -> dict[str, Any]:
    """Return the parameters of a method and their types."""
    return get_type_hints(getattr(client.Client, name), vars(models) | vars(client) | vars(typing))


def is_null(schema: dict[str, Any]) -> bool:
    """Return whether `schema` allows null."""
    kinds = schema.get("type", [])
    return "null" in kinds or any(is_null(resolved(each)) for each in schema.get("oneOf", []))


def test_client_has_a_method_for_every_operation_and_no_others() -> None:
    methods = {name for name, _ in inspect.getmembers(client.Client) if not name.startswith("_")}
    assert methods - CONVENIENT == {name for name, _ in operations()}


def test_every_document_has_a_class() -> None:
    used = {name for name, schema in SCHEMAS.items() if schema.get("type") == "object"}
    sent = {
        "NewImage", "ImageChange", "ImageChangeForm", "NewCollection", "CollectionChange", "CollectionChangeForm",
        "Membership", "MembershipForm", "NewApiKeyFields", "NewApiKeyForm", "ApiKeyFields", "ApiKeyRotation",
        "ApiKeyRotationForm", "PasswordChange", "PasswordChangeForm",
        "Batch", "NewMembers", "NewSignedPut", "NewSignedPutForm", "Results", "UploadForm",
    }  # fmt: skip
    for_other_sites = {"OEmbed"}
    assert used - sent - for_other_sites - {"Problem"} == {*SHAPES} & used


@pytest.mark.parametrize("name", SHAPES)
def test_class_has_the_fields_of_the_document_and_no_others(name: str) -> None:
    shape, schema = SHAPES[name]
    told = {each: resolved(about) for each, about in schema["properties"].items() if each != "type"}
    hints = get_type_hints(shape)
    assert {each.name for each in fields(shape)} - ({"etag"} - {*told}) == {*told}
    required = {*schema.get("required", [])}
    for each, about in told.items():
        nullable = type(None) in get_args(hints[each])
        assert nullable or not is_null(about), each
        assert not nullable or is_null(about) or each not in required, each
        if about.get("format") == "date-time":
            assert datetime in {hints[each], *get_args(hints[each])}, each


def test_names_that_the_document_lists_are_those_of_the_client() -> None:
    def enum(name: str) -> set[str]:
        return {*API["components"]["parameters"][name]["schema"]["enum"]}

    assert {*get_args(models.Status)} == {*SCHEMAS["Status"]["enum"]} == enum("Status")
    assert {*get_args(models.Sort)} == enum("Sort")
    assert {*get_args(models.ContentType)} == enum("ContentType") == enum("Format")
    assert {*get_args(models.Scope)} == {*SCHEMAS["Scopes"]["items"]["enum"]}


@pytest.mark.parametrize(("name", "operation"), [pytest.param(*each, id=each[0]) for each in operations()])
def test_method_takes_what_the_operation_takes(name: str, operation: dict[str, Any]) -> None:
    taken = {*parameters(name)} - {"return"}
    references = [resolved(each) for each in operation.get("parameters", [])]
    query = {each["name"] for each in references if each["in"] == "query"}
    paged = "cursor" in query
    wanted = query - {"cursor", "limit"}
    if paged:
        wanted |= {"images"} if name in {"get_collection", "get_public_collection"} else {"page_size"}
    wanted |= {"if_match"} & {each["name"].lower().replace("-", "_") for each in references}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    wanted |= {*resolved(body).get("properties", {})}
    if name == "update_collection":  # `name` is the one that it has
        wanted = wanted - {"name"} | {"new_name"}
    path = next(path for path, at in API["paths"].items() if operation in at.values())
    wanted |= {word.strip("{}") for word in path.split("/") if word.startswith("{")}
    assert taken == wanted


def codes(node: Any) -> Iterator[str]:
    """Yield all codes of problems in a part of the document."""
    for response in node.values():
        for content in response.get("content", {}).values():
            code = content["schema"].get("properties", {}).get("code", {})
            yield from code.get("enum", [code["const"]] if "const" in code else [])


def test_every_code_that_a_client_can_react_to_is_a_class() -> None:
    faults_of_the_client = {
        "cross-site-request", "malformed-body", "malformed-idempotency-key", "malformed-path", "malformed-request",
        "method-not-allowed", "not-found", "not-implemented", "request-timeout", "body-too-large", "uri-too-long",
        "unsupported-media-type", "expectation-failed", "request-header-fields-too-large",
        "http-version-not-supported",
    }  # fmt: skip
    table = re.findall(r"^\| [45]\d\d \| (.*) \|$", SCHEMAS["Problem"]["description"], re.MULTILINE)
    listed = {code for line in table for code in re.findall("`([a-z0-9-]+)`", line)}
    assert set(codes(API["components"]["responses"])) <= listed
    told = listed
    assert told - faults_of_the_client == {*problems.BY_CODE}
    for kind in problems.BY_CODE.values():
        assert get_origin(kind) is None
        assert issubclass(kind, problems.ProblemError)
