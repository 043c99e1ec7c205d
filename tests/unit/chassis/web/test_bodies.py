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
        b"\xef\xbb\xbf",
        b'\xef\xbb\xbf\xef\xbb\xbf{"name": "two marks"}',
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


@pytest.mark.parametrize("body", ["name=Größe 🌍", "name=Gr%C3%B6ße+🌍", "name=Gr%c3%b6%C3%9Fe%20%F0%9F%8C%8D"])
def test_form_may_have_characters_as_they_are(body: str) -> None:
    assert read(body.encode(), bodies.FORM) == Model(name="Größe 🌍")


def test_character_may_be_percent_encoded_in_part() -> None:
    assert read(b"name=%C3\xb6\xc3%B6", bodies.FORM) == Model(name="öö")


def test_names_of_a_form_may_have_characters_as_they_are() -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        read("größe=1".encode(), bodies.FORM)
    assert {fault["pointer"] for fault in refused.value.faults} == {"/größe", "/name"}


def test_json_may_begin_with_a_byte_order_mark() -> None:
    assert read(b'\xef\xbb\xbf{"name": "a"}') == Model(name="a")


@pytest.mark.parametrize("content_type", [None, bodies.JSON, f"{bodies.JSON}; charset=utf-8", bodies.FORM])
def test_empty_body_has_no_fields_whatever_type_the_client_names(content_type: str | None) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        read(b"", content_type)
    assert [fault["pointer"] for fault in refused.value.faults] == ["/name"]


@pytest.mark.parametrize(
    "body", [b"name=%ff", b"name=\xff", b"name=\xc3", b"name=a&name=b", b"\xff", b"name", b"&&=&=="]
)
def test_what_is_not_a_form_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read(body, bodies.FORM)


@pytest.mark.parametrize("content_type", ["text/plain", "application/json; charset=latin-1", "multipart/form-data"])
def test_empty_body_of_another_media_type_is_unsupported(content_type: str) -> None:
    with pytest.raises(UnsupportedMediaTypeError):
        read(b"", content_type)


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
