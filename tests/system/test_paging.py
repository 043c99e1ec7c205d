"""Lists: bare arrays, newest first, paged by an opaque cursor in Link."""

from typing import Any

import pytest

from clients import ValidatingClient, path

BAD_LIMITS = ["0", "-1", "1001", "ten", "", "1.5", "1e2", "+5", " 5", "5 ", "\u0665", "99999999999999999999", "1,2"]
BAD_CURSORS = ["", "x", "AAAA", "eyJpZCI6MX0", "ä", "%00", "null", "W10", "x" * 3000]


@pytest.fixture(scope="module")
def carol(new_user: Any) -> ValidatingClient:
    """A user with five images, five collections and five API keys."""
    client: ValidatingClient = new_user()
    return client


@pytest.fixture(scope="module")
def names(carol: ValidatingClient, bucket: str) -> list[str]:
    username = carol.username
    names = [f"{username}-{number}" for number in range(5)]
    for name in names:
        assert carol.post("/api/images", json={"s3_key": name, "s3_bucket": bucket}).status == 201
        assert carol.post("/api/collections", json={"name": name}).status == 201
        assert carol.post("/api/api-keys", json={"description": name}).status == 201
    for name in (names[3], names[0], names[4], names[1]):
        assert carol.put(path("collections", names[0], "images", name)).status == 200
    return names


def pages(client: ValidatingClient, target: str, limit: int) -> list[Any]:
    found, following = [], f"{target}?limit={limit}"
    while following:
        answer = client.get(following)
        assert answer.status == 200
        assert isinstance(answer.json(), list)
        assert len(answer.json()) <= limit
        found.append(answer.json())
        following = answer.next_page or ""
    return found


@pytest.mark.parametrize(
    ("target", "member"),
    [("/api/images", "s3_key"), ("/api/collections", "name"), ("/api/api-keys", "description")],
)
@pytest.mark.parametrize("limit", [1, 2, 3, 5, 6, 1000])
def test_lists_are_newest_first_on_every_page(
    carol: ValidatingClient, names: list[str], target: str, member: str, limit: int
) -> None:
    shown = pages(carol, target, limit)
    assert [item[member] for page in shown for item in page] == names[::-1]
    assert len(shown) == -(-len(names) // limit), "no empty page at the end"


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5])
def test_images_of_a_collection_come_in_the_order_they_were_added(
    carol: ValidatingClient, names: list[str], limit: int
) -> None:
    expected = [names[3], names[0], names[4], names[1]]
    shown = pages(carol, path("collections", names[0], "images"), limit)
    assert [image["s3_key"] for page in shown for image in page] == expected


@pytest.mark.parametrize("kind", ["c", "collections"])
def test_images_inside_a_collection_are_paged_likewise(carol: ValidatingClient, names: list[str], kind: str) -> None:
    found, following = [], f"{path(kind, names[0])}?limit=3"
    while following:
        answer = carol.get(following)
        assert answer.json()["name"] == names[0]
        found.append([image["s3_key"] for image in answer.json()["images"]])
        following = answer.next_page or ""
    assert found == [[names[3], names[0], names[4]], [names[1]]]


def test_without_limit_all_is_shown_and_there_is_no_link(carol: ValidatingClient, names: list[str]) -> None:
    answer = carol.get("/api/images")
    assert (len(answer.json()), answer.headers["Link"]) == (len(names), None)


def test_what_is_added_while_paging_is_neither_shown_twice_nor_moves_the_rest(
    carol: ValidatingClient, names: list[str], bucket: str
) -> None:
    first = carol.get("/api/images?limit=2")
    created = carol.post("/api/images", json={"s3_key": f"{names[0]}-later", "s3_bucket": bucket}).json()
    second = carol.get(str(first.next_page))
    assert [image["s3_key"] for image in first.json() + second.json()] == names[:0:-1]
    carol.delete(created["uri"])


@pytest.mark.parametrize("target", ["/api/images", "/api/collections", "/api/api-keys"])
@pytest.mark.parametrize("limit", BAD_LIMITS)
def test_an_unacceptable_limit_is_422_never_clamped(carol: ValidatingClient, target: str, limit: str) -> None:
    answer = carol.get(target, params={"limit": limit})
    assert (answer.status, answer.code, answer.faulty_fields) == (422, "invalid-fields", {"limit"})


@pytest.mark.parametrize("cursor", BAD_CURSORS)
def test_an_unacceptable_cursor_is_422(carol: ValidatingClient, names: list[str], cursor: str) -> None:
    for target in ("/api/images", "/api/collections", "/api/api-keys", path("c", names[0])):
        answer = carol.get(target, params={"cursor": cursor})
        assert (answer.status, answer.code, answer.faulty_fields) == (422, "invalid-fields", {"cursor"})


def test_a_cursor_from_another_list_is_422(carol: ValidatingClient, names: list[str]) -> None:
    targets = [
        "/api/images",
        "/api/collections",
        "/api/api-keys",
        path("collections", names[0], "images"),
    ]
    for source in targets:
        _, _, query = str(carol.get(f"{source}?limit=1").next_page).partition("?")
        for target in targets:
            expected = 200 if target == source else 422
            assert carol.get(f"{target}?{query}").status == expected, f"cursor of {source} on {target}"


def test_link_repeats_the_limit_and_is_an_absolute_path(carol: ValidatingClient, names: list[str]) -> None:
    following = carol.get("/api/images?limit=2", headers={"Host": "elsewhere.example"}).next_page
    assert str(following).startswith("/api/images?limit=2&cursor=")
    assert len(names) == 5
