import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chassis.envelope import Event, MalformedMessageError


def test_event_is_the_same_after_encoding_and_decoding() -> None:
    event = Event("image.created", "/catalog", "id", "request-1", {"s3_key": "ä/🏔.jpg", "generation": 1})
    assert Event.decode(event.encode()) == event


def test_event_is_a_cloud_event_in_structured_json() -> None:
    document = json.loads(Event("image.created", "/catalog", "id", "request-1", {}).encode())
    assert document["specversion"] == "1.0"
    assert {"id", "source", "type", "subject", "time", "datacontenttype", "requestid", "data"} <= set(document)


@given(st.binary(max_size=200) | st.text().map(str.encode) | st.from_regex(rb"[\[{].*[}\]]", fullmatch=True))
def test_anything_else_is_malformed_and_raises_no_other_error(body: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        Event.decode(body)


@pytest.mark.parametrize("missing", ["specversion", "id", "source", "type", "data"])
def test_event_without_a_required_attribute_is_malformed(missing: str) -> None:
    document = json.loads(Event("image.created", "/catalog", "id", "request-1", {"a": 1}).encode())
    del document[missing]
    with pytest.raises(MalformedMessageError):
        Event.decode(json.dumps(document).encode())


def test_error_about_a_body_does_not_show_it() -> None:
    with pytest.raises(MalformedMessageError) as told:
        Event.decode(b'{"specversion": "1.0", "secret": "%s"}' % (b"x" * 5_000))
    assert len(str(told.value)) < 1_000
