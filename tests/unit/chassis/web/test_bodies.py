import pytest
from flask import Request
from pydantic import BaseModel, ConfigDict
from werkzeug.test import EnvironBuilder

from chassis.web import bodies
from chassis.web.bodies import MalformedBodyError, UnsupportedMediaTypeError
from chassis.web.problems import InvalidFieldsError


class Model(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    number: int = 0


def read(body: bytes, content_type: str | None = "application/json") -> Model:
    builder = EnvironBuilder(method="POST", data=body)
    builder.content_type = content_type
    return bodies.read(Request(builder.get_environ()), Model)


def test_json_and_form_give_the_same() -> None:
    assert read(b'{"name": "a b"}') == read(b"name=a+b", bodies.FORM) == Model(name="a b")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'"text"',
        b"\xff",
        b'\xef\xbb\xbf{"name": "bom"}',
        b'{"name": NaN}',
        b'{"name": "a", "name": "b"}',
        b"[" * 60_000,
        b'{"number": ' + b"9" * 5000 + b"}",
        '{"name": "utf-16"}'.encode("utf-16"),
    ],
)
def test_what_is_not_a_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read(body)


@pytest.mark.parametrize("body", [b"name=%ff", b"name=a&name=b", b"\xff", b"name", b"&&=&=="])
def test_what_is_not_a_form_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read(body, bodies.FORM)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/json; charset=latin-1", "multipart/form-data", None]
)
def test_other_media_types_are_unsupported(content_type: str | None) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        read(b'{"name": "a"}', content_type)


def test_every_fault_is_named_with_its_pointer() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        read(b'{"number": "7", "a/b~c": 1}')
    assert {(fault["pointer"], fault["code"]) for fault in refused.value.faults} == {
        ("/name", "missing"),
        ("/number", "int-type"),
        ("/a~1b~0c", "extra-forbidden"),
    }


@pytest.mark.parametrize("text", ["\\ud800", "\\udc00\\ud800", "a\\u0000b"])
def test_text_that_databases_refuse_is_a_fault_of_its_field(text: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        read(f'{{"name": "{text}"}}'.encode())
    assert [fault["pointer"] for fault in refused.value.faults] == ["/name"]


def test_lone_surrogate_in_a_members_name_is_malformed() -> None:
    with pytest.raises(MalformedBodyError):
        read(b'{"name": "a", "\\ud800": 1}')
