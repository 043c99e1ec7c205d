"""Request bodies: JSON or a form, parsed and validated against a model, or refused with the reason."""

import json
from typing import Any, NoReturn, TypeVar
from urllib.parse import parse_qsl, quote_from_bytes

from flask import Request
from pydantic import BaseModel, ValidationError

from chassis.web.problems import FieldFault, InvalidFieldsError

JSON = "application/json"
FORM = "application/x-www-form-urlencoded"

_ASCII = bytes(range(128))

Model = TypeVar("Model", bound=BaseModel)


class BodyError(Exception):
    """A request body that cannot be parsed."""

    code = "malformed-body"


class MalformedBodyError(BodyError):
    """The body is not UTF-8, not JSON, not an object, or not a form."""


class UnsupportedMediaTypeError(BodyError):
    """The body is neither JSON nor a form."""

    code = "unsupported-media-type"


def read(request: Request, model: type[Model]) -> Model:
    """Return the body of `request` as a `model`; without a body, a model without fields.

    The values of a form are texts; see `validate` for fields of other types. Raise `MalformedBodyError`,
    `UnsupportedMediaTypeError`, or `InvalidFieldsError`, which names every fault.
    """
    return validate(model, parse(request, request.get_data()), form=request.mimetype == FORM)


def parse(request: Request, body: bytes) -> dict[str, Any]:
    """Return the fields of `body` by the content type of `request`; an empty body has none.

    Raise `MalformedBodyError` or `UnsupportedMediaTypeError`.
    """
    if not body and (not request.content_type or request.mimetype == JSON):  # many clients always name their type
        fields: dict[str, Any] = {}
    elif request.mimetype == JSON:
        fields = _from_json(body)
    elif request.mimetype == FORM:
        fields = _from_form(body)
    else:
        raise UnsupportedMediaTypeError(f"Send {JSON} or {FORM}.")
    if request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise UnsupportedMediaTypeError("Send UTF-8.")
    return fields


def validate(model: type[Model], fields: dict[str, Any], *, form: bool = False) -> Model:
    """Return `fields` as a `model`. Raise `InvalidFieldsError` with a JSON pointer for every fault.

    A field that is not a text can learn from the validation context, `{"form": True}`, that it comes from a form, and
    accept certain texts then.
    """
    faults = [
        fault for name, value in fields.items() if isinstance(value, str) for fault in _faults_of_text(name, value)
    ]
    if faults:
        raise InvalidFieldsError(faults)
    try:
        return model.model_validate(fields, strict=True, context={"form": form})
    except ValidationError as fault:
        raise InvalidFieldsError(
            [
                FieldFault(
                    pointer="".join(_pointer(str(part)) for part in error["loc"]),
                    code=error["type"].replace("_", "-"),
                    detail=error["msg"],
                )
                for error in fault.errors(include_url=False, include_context=False, include_input=False)
            ]
        ) from None


def _faults_of_text(name: str, text: str) -> list[FieldFault]:
    """Return the faults of a text that is valid in JSON, but that databases refuse: NUL, and lone surrogates."""
    if "\0" in text:
        return [FieldFault(pointer=_pointer(name), code="nul", detail="Must not contain NUL")]
    if not _is_unicode(text):
        return [FieldFault(pointer=_pointer(name), code="not-unicode", detail="Must not contain lone surrogates")]
    return []


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _pointer(name: str) -> str:
    """Return the JSON pointer to a member of an object (RFC 6901)."""
    return "/" + name.replace("~", "~0").replace("/", "~1")


def _from_json(body: bytes) -> dict[str, Any]:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        unique = dict(pairs)
        if len(unique) != len(pairs):
            raise ValueError("a member is given twice")
        if not all(map(_is_unicode, unique)):
            raise ValueError("the name of a member has a lone surrogate")
        return unique

    def refuse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is not JSON")

    try:
        # Some editors and languages write a byte-order mark; RFC 8259 (8.1) allows to ignore it.
        document = json.loads(body.decode("utf-8-sig"), object_pairs_hook=members, parse_constant=refuse_constant)
    except (
        ValueError,
        RecursionError,
    ) as fault:  # ValueError: also invalid UTF-8, and numbers with thousands of digits
        raise MalformedBodyError(f"The body is not JSON: {_reason(fault)}.") from None
    if not isinstance(document, dict):
        raise MalformedBodyError("The body is not a JSON object.")
    return document


def _from_form(body: bytes) -> dict[str, Any]:
    try:
        pairs = parse_qsl(
            # Clients such as `curl -d` send characters as they are, not percent-encoded.
            quote_from_bytes(body, safe=_ASCII),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=100,
        )
    except ValueError as fault:
        raise MalformedBodyError(f"The body is not a form: {_reason(fault)}.") from None
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise MalformedBodyError("The body is not a form: a field is given twice.")
    return fields


def _reason(fault: Exception) -> str:
    if isinstance(fault, UnicodeDecodeError):
        return "it is not UTF-8"
    if isinstance(fault, RecursionError):
        return "it is nested too deeply"
    return str(fault).rstrip(".").encode("utf-8", "backslashreplace").decode()[:200]
