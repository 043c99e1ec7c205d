"""Request bodies: JSON and forms. All else is refused, with the fault named, and changes nothing."""

import json
from typing import Any

import pytest

from clients import FORM, JSON, ValidatingClient, path


@pytest.fixture
def image(alice: ValidatingClient, bucket: str, prefix: str) -> str:
    """The path of an image of the caller."""
    answer = alice.post("/api/images", json={"s3_key": prefix, "s3_bucket": bucket, "title": "Before"})
    assert answer.status == 201
    return path("images", prefix)


def test_forms_say_the_same_as_json(alice: ValidatingClient, bucket: str, prefix: str) -> None:
    fields = {"s3_bucket": bucket, "title": "Ä & ö = 100 % + 1", "description": "line\r\nline"}
    by_json = alice.post("/api/images", json={"s3_key": f"{prefix}/json", **fields})
    by_form = alice.post("/api/images", form={"s3_key": f"{prefix}/form", **fields})
    assert (by_json.status, by_form.status) == (201, 201)
    assert by_form.json()["title"] == by_json.json()["title"] == fields["title"]
    assert by_form.json()["description"] == by_json.json()["description"] == fields["description"]


@pytest.mark.parametrize("content_type", [f"{JSON}; charset=utf-8", f"{JSON};charset=UTF-8", "Application/JSON"])
def test_json_may_say_that_it_is_utf8(alice: ValidatingClient, image: str, content_type: str) -> None:
    answer = alice.put(image, body='{"title": "ä"}'.encode(), headers={"Content-Type": content_type})
    assert answer.json()["title"] == "ä"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [("title=Größe 🌍", FORM), ("title=Gr%C3%B6ße+🌍", FORM), ('\ufeff{"title": "Größe 🌍"}', JSON)],
    ids=["raw form", "mixed form", "byte-order mark"],
)
def test_characters_may_be_sent_as_tools_send_them(
    alice: ValidatingClient, image: str, body: str, content_type: str
) -> None:
    answer = alice.put(image, body=body.encode(), headers={"Content-Type": content_type})
    assert (answer.status, answer.json()["title"]) == (200, "Größe 🌍")


@pytest.mark.parametrize("content_type", [JSON, FORM])
def test_empty_body_changes_nothing_where_all_fields_are_optional(
    alice: ValidatingClient, image: str, content_type: str
) -> None:
    answer = alice.put(image, body=b"", headers={"Content-Type": content_type})
    assert (answer.status, answer.json()["title"]) == (200, "Before")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "multipart/form-data; boundary=x", "application/xml", "application/jsonp", "json", ""],
)
def test_other_content_types_are_415(alice: ValidatingClient, image: str, content_type: str) -> None:
    answer = alice.put(image, body=b'{"title": "After"}', headers={"Content-Type": content_type})
    assert (answer.status, answer.code) == (415, "unsupported-media-type")
    assert alice.get(image).json()["title"] == "Before"


def test_a_body_without_content_type_is_415(alice: ValidatingClient, image: str) -> None:
    assert alice.put(image, body=b'{"title": "After"}').status == 415


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"nonsense",
        b"[]",
        b"null",
        b'"text"',
        b"1",
        b'{"title": "a",}',
        b"{'title': 'a'}",
        b'{"title": "a"} {}',
        b'{"title": "a", "title": "b"}',
        b'{"title": NaN}',
        b'{"title": "\xff"}',
        b"\xef\xbb\xbf",
        b'{"title": "line\nbreak"}',
        b"[" * 20_000,
        b'{"a":' * 9_000,
        b'{"title": ' + b"1" * 5_000 + b"}",
        '{"title": "a"}'.encode("utf-16"),
    ],
)
def test_broken_json_is_400(alice: ValidatingClient, image: str, body: bytes) -> None:
    answer = alice.put(image, body=body, headers={"Content-Type": JSON})
    assert (answer.status, answer.code) == (400, "malformed-body")
    assert alice.get(image).json()["title"] == "Before"


@pytest.mark.parametrize("body", [b"title=%FF", b"title=\xff", b"title=a&title=b", b"title", b"title=a&&;"])
def test_broken_forms_are_400(alice: ValidatingClient, image: str, body: bytes) -> None:
    answer = alice.put(image, body=body, headers={"Content-Type": FORM})
    assert (answer.status, answer.code) == (400, "malformed-body")
    assert alice.get(image).json()["title"] == "Before"


@pytest.mark.parametrize(
    ("fields", "pointers"),
    [
        ({"tilte": "After"}, {"/tilte"}),
        ({"title": "After", "a/b~c": 1}, {"/a~1b~0c"}),
        ({"title": "After", "s3_key": "x"}, {"/s3_key"}),
        ({"title": "After", "status": "ready"}, {"/status"}),
        ({"title": None}, {"/title"}),
        ({"title": 1}, {"/title"}),
        ({"title": True}, {"/title"}),
        ({"title": ["After"]}, {"/title"}),
        ({"title": {"a": 1}}, {"/title"}),
        ({"title": "After", "description": None}, {"/description"}),
        ({"title": "nul\0"}, {"/title"}),
        ({"title": "\ud800"}, {"/title"}),
        ({"title": "\udc00\ud800"}, {"/title"}),
        ({"title": "x" * 256}, {"/title"}),
        ({"title": "🌍" * 256}, {"/title"}),
        ({"description": "x" * 10_001}, {"/description"}),
        ({"reprocess": False}, {"/reprocess"}),
        ({"reprocess": "true"}, {"/reprocess"}),
        ({"reprocess": 1}, {"/reprocess"}),
        ({"reprocess": None}, {"/reprocess"}),
        ({"title": 1, "description": 2, "more": 3}, {"/title", "/description", "/more"}),
    ],
)
def test_unacceptable_fields_are_422_and_all_are_named(
    alice: ValidatingClient, image: str, fields: dict[str, Any], pointers: set[str]
) -> None:
    answer = alice.put(image, json=fields)
    assert (answer.status, answer.code) == (422, "invalid-fields")
    assert answer.faulty_fields == pointers
    assert alice.get(image).json()["title"] == "Before"


def test_a_member_whose_name_is_no_unicode_is_400_since_it_cannot_be_named(alice: ValidatingClient, image: str) -> None:
    answer = alice.put(image, json={"title": "After", "\ud800": 1})
    assert (answer.status, answer.code) == (400, "malformed-body")
    assert alice.get(image).json()["title"] == "Before"


@pytest.mark.parametrize("reprocess", ["false", "True", "1", "", "yes"])
def test_reprocess_in_a_form_is_the_text_true(alice: ValidatingClient, image: str, reprocess: str) -> None:
    answer = alice.put(image, form={"reprocess": reprocess})
    assert (answer.status, answer.faulty_fields) == (422, {"/reprocess"})


def test_an_escaped_pair_of_surrogates_is_a_character(alice: ValidatingClient, image: str) -> None:
    answer = alice.put(image, body=b'{"title": "\\ud83c\\udf0d"}', headers={"Content-Type": JSON})
    assert answer.json()["title"] == "🌍"


@pytest.mark.parametrize("character", ["x", "ä", "🌍"])
def test_texts_of_the_longest_length_are_kept(alice: ValidatingClient, image: str, character: str) -> None:
    title, description = character * 255, character * 10_000
    answer = alice.put(
        image,
        body=json.dumps({"title": title, "description": description}, ensure_ascii=False).encode(),
        headers={"Content-Type": JSON},
    )
    assert answer.status == 200
    assert (answer.json()["title"], answer.json()["description"]) == (title, description)


def test_texts_come_back_as_they_were_sent(alice: ValidatingClient, image: str) -> None:
    text = " \t\r\n</script>'\";--\\ %00 \u202e\u0001 e\u0301 \u2028 "
    assert alice.put(image, json={"title": text}).json()["title"] == text


@pytest.mark.parametrize(
    ("target", "pointers"),
    [("/api/images", {"/s3_key"}), ("/api/collections", {"/name"})],
)
@pytest.mark.parametrize(
    "body", [{}, {"body": b""}, {"body": b"", "headers": {"Content-Type": JSON}}, {"json": {}}, {"form": {}}]
)
def test_missing_fields_are_422_and_named(
    alice: ValidatingClient, target: str, pointers: set[str], body: dict[str, Any]
) -> None:
    if body == {"form": {}}:
        body = {"body": b"", "headers": {"Content-Type": FORM}}
    answer = alice.post(target, **body)
    assert (answer.status, answer.code) == (422, "invalid-fields")
    assert answer.faulty_fields >= pointers


def test_a_body_of_64_kib_is_accepted_and_a_byte_more_is_413(alice: ValidatingClient, image: str) -> None:
    fitting = b'{"title": "After"}'.ljust(65_536)
    assert alice.put(image, body=fitting, headers={"Content-Type": JSON}).status == 200
    answer = alice.put(image, body=fitting + b" ", headers={"Content-Type": JSON})
    assert (answer.status, answer.code) == (413, "body-too-large")


def test_a_chunked_body_is_never_cut(alice: ValidatingClient, image: str) -> None:
    chunk = b'{"title": "' + b"x" * 70_000 + b'"}'
    body = b"%x\r\n%s\r\n0\r\n\r\n" % (len(chunk), chunk)
    answer = alice.put(image, body=body, headers={"Content-Type": JSON, "Transfer-Encoding": "chunked"})
    assert answer.status in {411, 413}
    alice.close()
    assert alice.get(image).json()["title"] == "Before"


@pytest.mark.parametrize("bucket_name", ["no-such-bucket", "aws", "..", "imghost/../other", "B" * 63])
def test_buckets_that_are_not_allowed_are_422(alice: ValidatingClient, prefix: str, bucket_name: str) -> None:
    answer = alice.post("/api/images", json={"s3_key": prefix, "s3_bucket": bucket_name})
    assert (answer.status, answer.code) == (422, "bucket-not-allowed")


@pytest.mark.parametrize("name", ["", "a b", "a/b", "ä", "a.b", "x" * 101, "a\n", "\0"])
def test_unacceptable_names_of_collections_are_422(alice: ValidatingClient, name: str) -> None:
    answer = alice.post("/api/collections", json={"name": name})
    assert (answer.status, answer.faulty_fields) == (422, {"/name"})
