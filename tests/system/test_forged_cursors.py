"""A cursor that no service has returned is refused by every list, whatever it holds."""

from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clients import NewUser, Stack, ValidatingClient, path
from cursors import (
    KEY_ID,
    ODD_KEY_IDS,
    ODD_UUIDS,
    UUID,
    any_document,
    decoded,
    encoded,
    forged_by_moment,
    forged_by_serial,
)


@dataclass(frozen=True)
class Lists:
    """The lists of a user, each with its scope in cursors."""

    client: ValidatingClient
    scopes: dict[str, str]


@pytest.fixture(scope="module")
def lists(stack: Stack, new_user: NewUser, bucket: str) -> Lists:
    """Lists of two items each, so that one cursor of each can be had: it tells the scope."""
    user = new_user()
    name = user.username
    for item in (name, f"{name}-2"):
        key = user.post("/api/api-keys").json()["key"]
        assert user.post("/api/images", json={"s3_key": item, "s3_bucket": bucket}).status == 201
        assert user.post("/api/collections", json={"name": item}).status == 201
        assert user.put(path("collections", name, "images", item)).status == 200
    client = ValidatingClient(stack["GATEWAY_URL"], key)  # no password that is hashed again and again
    own = ["/api/images", "/api/collections", "/api/api-keys"]
    members = [path("collections", name), path("collections", name, "images"), path("c", name)]
    return Lists(client, {target: scope_of(client, target) for target in own + members})


def scope_of(client: ValidatingClient, target: str) -> str:
    following = str(client.get(f"{target}?limit=1").next_page)
    [cursor] = parse_qs(urlsplit(following).query)["cursor"]
    return str(decoded(cursor)[0])


def forged(target: str, scope: str) -> list[str]:
    if scope.startswith("members/"):
        return forged_by_serial(scope)
    if target == "/api/api-keys":
        return forged_by_moment(scope, KEY_ID, ODD_KEY_IDS)
    return forged_by_moment(scope, UUID, ODD_UUIDS)


def test_every_list_refuses_every_forged_cursor(lists: Lists) -> None:
    for target, scope in lists.scopes.items():
        for cursor in forged(target, scope):
            answer = lists.client.get(target, params={"cursor": cursor})
            assert (answer.status, answer.faulty_fields) == (422, {"cursor"}), f"{target} {cursor}"


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_cursor_is_an_error_of_the_service(lists: Lists, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(lists.scopes)))
    document = data.draw(any_document([lists.scopes[target]], [UUID, KEY_ID]))
    assert lists.client.get(target, params={"cursor": encoded(document)}).status in {200, 422}
