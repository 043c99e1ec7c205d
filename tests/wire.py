"""Checks requests and responses against the OpenAPI document: an undocumented status, header or body is a failure.

General validators take `{s3_key}` for one segment of a path and accept undocumented headers; this one does neither.
"""

import json
import re
from collections.abc import Iterator, Mapping
from email import message_from_bytes
from email.message import Message
from functools import cache
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.protocols import Validator
from jsonschema.validators import extend

from gateway import browsers
from gateway.table import PAGE_FOLDERS
from gateway.web.docs import document

Schema = dict[str, Any]

# Headers of the connection and of the message itself, which API documents do not list.
TRANSPORT_HEADERS = {"connection", "content-encoding", "content-length", "content-type", "date", "keep-alive"}
TRANSPORT_HEADERS |= {"server", "vary"}
# What every answer has is said once in the document, and not at each response.
TRANSPORT_HEADERS |= {name.lower() for name in browsers.HEADERS}


class ContractBreachError(AssertionError):
    """The gateway, or a test, did something that is not in the document."""


PAGES = {"/", "/api/docs", "/api/problems", "/api/problems/{code}"}
"""They have a policy of their own, since they consist of scripts and styles."""


class Contract:
    """The OpenAPI document, and the checks against it. Paths in answers begin with `prefix`, targets do not."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._document = _document()
        self._patterns = [(_pattern(template), template) for template in self._document["paths"]]

    def check_response(self, method: str, target: str, status: int, headers: Message, body: bytes) -> None:
        """Raise `ContractBreachError` unless the document has this status with these headers and this body."""
        where = f"{method} {target} -> {status}"
        template = self._template(method, target)
        if (headers["Connection"] or "").lower() == "close" and b'"instance": "/"' in body:
            template, response = None, dict(self._document["components"]["responses"]["Unreadable"])
        else:
            response = self._response(method, template, status, where)
        is_page = template in PAGES or (template or "").startswith(PAGE_FOLDERS)  # with a policy of its own
        for name, value in browsers.HEADERS.items():
            _demand(headers[name] == value or is_page, where, f"{name} is not that of every answer")
        self._check_headers(response, template, headers, where)
        if method == "HEAD" or not response.get("content"):
            _demand(not body, where, f"a body of {len(body)} bytes where none belongs")
            return
        media_type = headers.get_content_type()
        _demand(media_type in response["content"], where, f"undocumented content type {media_type}")
        if media_type.endswith("json"):
            is_document = template == "/api/openapi.json"  # its examples are of no real service
            shown = json.loads(body, object_hook=None if is_document else lambda each: self._check_uri(each, where))
            self._check(response["content"][media_type]["schema"], shown, where)
        if status >= 400 and not (is_page and media_type == "text/html"):
            problem = json.loads(body)
            _demand(problem["status"] == status, where, "the problem tells of another status")
            prefix = self._prefix if problem["instance"] != "/" else ""  # not known where the path was not read
            page = f"{prefix}/api/problems/{problem['code']}"
            _demand(problem["type"] == page, where, f"the type of the problem is {problem['type']}, not {page}")
            is_below = problem["instance"].startswith(f"{self._prefix}/") or problem["instance"] == "/"
            _demand(is_below, where, f"instance {problem['instance']} is not below {self._prefix}")
            _demand(problem["request_id"] == headers["X-Request-ID"], where, "the problem has another request id")

    def check_request(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> None:
        """Raise `ContractBreachError` unless the document allows this request."""
        where = f"{method} {target}"
        template = self._template(method, target)
        operation = self._document["paths"].get(template, {}).get(method.lower())
        _demand(operation is not None, where, "no such operation")
        raw_path, _, query = target.partition("?")
        found = _pattern(template).fullmatch(raw_path)
        given = {
            "path": {name: _decoded(value) for name, value in (found.groupdict() if found else {}).items()},
            "query": {name: values[-1] for name, values in parse_qs(query, keep_blank_values=True).items()},
            "header": dict(headers),
        }
        for reference in operation["parameters"]:
            parameter = self._resolved(reference)
            value = given[parameter["in"]].get(parameter["name"])
            if value is None:
                _demand(not parameter.get("required"), where, f"{parameter['name']} is missing")
                continue
            typed = int(value) if parameter["schema"].get("type") == "integer" and value.isdecimal() else value
            self._check(parameter["schema"], typed, f"{where}: {parameter['name']}")
        self._check_request_body(operation, {name.lower(): v for name, v in headers.items()}, body, where)

    def _check_request_body(
        self, operation: Schema, headers: Mapping[str, str], body: bytes | None, where: str
    ) -> None:
        described = operation.get("requestBody", {})
        if not body:
            _demand(not described.get("required"), where, "the body is missing")
            return
        _demand(bool(described), where, "a body where none belongs")
        media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
        if "application/octet-stream" in described["content"]:
            return  # a file, whatever the client calls it
        _demand(media_type in described["content"], where, f"undocumented content type {media_type}")
        if media_type == "multipart/form-data":
            message = message_from_bytes(f"Content-Type: {headers['content-type']}\r\n\r\n".encode() + body)
            parts = [each for each in message.walk() if not each.is_multipart()]
            fields = {str(part.get_param("name", header="content-disposition")): part.get_payload() for part in parts}
        elif media_type == "application/json":
            fields = json.loads(body.decode("utf-8-sig"))
        else:
            fields = {name: values[-1] for name, values in parse_qs(body.decode(), keep_blank_values=True).items()}
        self._check(described["content"][media_type]["schema"], fields, f"{where}: body")

    def _check_uri(self, members: Schema, where: str) -> Schema:
        if isinstance(uri := members.get("uri"), str):
            _demand(uri.startswith(f"{self._prefix}/api/"), where, f"uri {uri} is not below {self._prefix}/api/")
        return members

    def _template(self, method: str, target: str) -> str | None:
        """Return the path that `target` is of, with `method` if one has it: an image may be called as a route is."""
        raw_path = target.partition("?")[0]
        found = [template for pattern, template in self._patterns if pattern.fullmatch(raw_path)]
        having = (template for template in found if method.lower() in self._document["paths"][template])
        return next(having, found[0] if found else None)

    def _response(self, method: str, template: str | None, status: int, where: str) -> Schema:
        responses = self._document["components"]["responses"]
        operations = self._document["paths"].get(template, {})
        if template is None:
            _demand(status in {404, 400}, where, "no such route, and yet no 404")
            return dict(responses["NotFound" if status == 404 else "MalformedPath"])
        operation = operations.get(method.lower())
        if operation is None:
            _demand(status == 405, where, "no such method, and yet no 405")
            return dict(responses["MethodNotAllowed"])
        _demand(str(status) in operation["responses"], where, "undocumented status")
        return self._resolved(operation["responses"][str(status)])

    def _check_headers(self, response: Schema, template: str | None, headers: Message, where: str) -> None:
        documented = {name.lower(): self._resolved(header) for name, header in response.get("headers", {}).items()}
        for name, header in documented.items():
            value = headers.get(name)
            if value is None:
                _demand(not header.get("required"), where, f"header {name} is missing")
            else:
                self._check(header["schema"], value, f"{where}: header {name}")
        for address in (headers["Location"], (headers["Link"] or "").removeprefix("<")):
            below = not address or address.startswith(f"{self._prefix}/api/")
            _demand(below, where, f"{address} is not below {self._prefix}/api/")
        tolerated = set(TRANSPORT_HEADERS)
        if template is None:
            # Below a public resource, web pages may read the answer that there is no such route.
            tolerated |= {"access-control-allow-origin", "access-control-expose-headers"}
        if template is not None and "options" in self._document["paths"][template]:
            tolerated |= {"access-control-allow-origin", "access-control-expose-headers"}
            _demand(headers["Access-Control-Allow-Origin"] == "*", where, "a public answer that web pages cannot read")
        if template is not None and headers["Access-Control-Allow-Origin"] not in {None, "*"}:
            # A page of an origin that the operator has named, as the document says of web pages.
            tolerated |= {"access-control-allow-origin", "access-control-expose-headers"}
        undocumented = {name.lower() for name in headers} - set(documented) - tolerated
        _demand(not undocumented, where, f"undocumented headers {sorted(undocumented)}")

    def _resolved(self, node: Schema) -> Schema:
        if "$ref" not in node:
            return node
        found: Any = self._document
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        return dict(found)

    def _check(self, schema: Schema, instance: Any, where: str) -> None:
        fault = next(validator_of(self._document, schema).iter_errors(instance), None)
        if fault is not None:
            raise ContractBreachError(f"{where}: at /{'/'.join(map(str, fault.absolute_path))}: {fault.message}")


def validator_of(openapi: Schema, schema: Schema) -> Validator:
    """Return a validator of `schema`, which may refer to the components of `openapi`."""
    return _validator_class()({"components": openapi["components"], **schema})


@cache
def _document() -> Schema:
    return document()


@cache
def _pattern(template: str) -> re.Pattern[str]:
    """Return a pattern for paths of `template`: only a key may contain slashes, as they are or as %2F."""
    text = re.escape(template).replace(r"\{", "{").replace(r"\}", "}")
    text = text.replace("{s3_key}", "(?P<s3_key>.+)")
    return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", text))


def _decoded(segment: str) -> str:
    return unquote_to_bytes(segment).decode("utf-8", "surrogateescape")


def _demand(condition: bool, where: str, otherwise: str) -> None:
    if not condition:
        raise ContractBreachError(f"{where}: {otherwise}")


@cache
def _validator_class() -> type[Validator]:
    def pattern(_validator: Validator, expected: str, instance: Any, _schema: Schema) -> Iterator[Any]:
        # In JSON Schema, as in ECMA 262, `$` matches only at the very end; in Python also before a last newline.
        if isinstance(instance, str) and not re.search(re.sub(r"(?<!\\)\$(?=\)|$)", r"\\Z", expected), instance):
            yield ValidationError(f"{instance!r} does not match {expected!r}")

    judge: type[Validator] = extend(Draft202012Validator, {"pattern": pattern})  # type: ignore[no-untyped-call]
    return judge
