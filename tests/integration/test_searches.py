"""What the query of a list of images may say: through the gateway, as a client says it."""

from urllib.parse import parse_qs, urlsplit

import pytest

from clients import ValidatingClient
from cursors import UUID, decoded, forged_by_moment
from web_stack import WebStack

UNACCEPTABLE = {
    "status": ["", "Ready", "gone"],
    "q": ["", "  ", "-_.", "a" * 201],
    "collection": ["", "a b", "a" * 101],
    "content_type": ["", "image/svg+xml", "jpeg"],
    "created_after": ["", "2024-05-17", "2024-05-17T09:30:12", "2024-02-30T00:00:00Z", "2024-05-17T09:30:12 02:00"],
    "created_before": ["9999-12-31T23:59:59.999999Z", "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "now"],
    "sort": ["", "-date_created", "Newest"],
    "sha256": ["", "ab" * 31, "AB" * 32, "xy" * 32],
}


@pytest.fixture
def anna(web_stack: WebStack) -> ValidatingClient:
    """A user with three images, the second of which is in a collection."""
    web_stack.start_all()
    client = web_stack.anna()
    for number in range(3):
        assert client.post("/api/images", json={"s3_key": f"k/{number}", "title": f"Cat {number}"}).status == 201
    assert client.post("/api/collections", json={"name": "c"}).status == 201
    assert client.put("/api/collections/c/images/k/1").status == 200
    return client


def keys(client: ValidatingClient, **parameters: str) -> list[str]:
    answer = client.get("/api/images", params=parameters)
    assert answer.status == 200
    return [image["s3_key"] for image in answer.json()]


def test_a_query_says_what_is_found(anna: ValidatingClient) -> None:
    first = anna.get("/api/images/k/0").json()["date_created"]
    assert keys(anna, q="CAT 1") == ["k/1"]
    assert keys(anna, q="cat", sort="oldest") == ["k/0", "k/1", "k/2"]
    assert keys(anna, created_after=first) == ["k/2", "k/1"]
    assert keys(anna, created_before=first.replace("+00:00", "Z")) == []
    assert keys(anna, collection="c", status="pending") == ["k/1"]
    assert keys(anna, sha256="ab" * 32) == keys(anna, content_type="image/png") == []
    assert anna.get("/api/images", params={"collection": "none"}).code == "collection-not-found"
    assert anna.head("/api/images?q=cat").status == 200


def test_values_that_mean_nothing_are_refused_by_name(anna: ValidatingClient) -> None:
    for name, values in UNACCEPTABLE.items():
        for value in values:
            answer = anna.get("/api/images", params={name: value})
            assert (answer.status, answer.faulty_fields) == (422, {name}), (name, value)
    assert anna.get("/api/images?q=a&q=b").faulty_fields == {"q"}
    assert anna.get("/api/images?q=%00&status=x&sort=y").faulty_fields == {"q", "status", "sort"}


def test_pages_of_a_search_go_on_with_it_and_their_cursors_with_no_other(anna: ValidatingClient) -> None:
    first = anna.get("/api/images?q=cat&sort=oldest&limit=1")
    following = str(first.next_page)
    assert [image["s3_key"] for image in anna.get(following).json()] == ["k/1"]
    query = parse_qs(urlsplit(following).query)
    assert (query["q"], query["sort"], query["limit"]) == (["cat"], ["oldest"], ["1"])
    [cursor] = query["cursor"]
    for other in ({}, {"q": "cat"}, {"q": "Cat", "sort": "oldest"}, {"sort": "oldest"}):
        assert anna.get("/api/images", params={**other, "cursor": cursor}).faulty_fields == {"cursor"}
    for forged in forged_by_moment(decoded(cursor)[0], UUID, ["", "a", UUID.upper() + "A"]):
        answer = anna.get("/api/images", params={"q": "cat", "sort": "oldest", "cursor": forged})
        assert answer.faulty_fields == {"cursor"}


def test_counts_have_a_tag_that_changes_with_them(anna: ValidatingClient) -> None:
    first = anna.get("/api/stats")
    assert first.json() == {
        "type": "stats",
        "images": {"pending": 3, "ready": 0, "failed": 0},
        "bytes": 0,
        "formats": [],
    }
    tag = first.headers["ETag"]
    assert anna.get("/api/stats", headers={"If-None-Match": tag}).status == 304
    assert anna.delete("/api/images/k/0").status == 204
    assert anna.get("/api/stats", headers={"If-None-Match": tag}).json()["images"]["pending"] == 2
    assert anna.get("/api/stats?x=1").faulty_fields == {"x"}
