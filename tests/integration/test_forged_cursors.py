"""A cursor that no service has returned is refused by every list, whatever it holds."""

import sqlite3
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from clients import ValidatingClient
from cursors import (
    KEY_ID,
    ODD_KEY_IDS,
    ODD_UUIDS,
    UUID,
    any_document,
    encoded,
    forged_by_moment,
    forged_by_serial,
)
from web_stack import WebStack


@dataclass(frozen=True)
class Lists:
    """The lists of the user Anna, each with its scope in cursors."""

    client: ValidatingClient
    scopes: dict[str, str]


@pytest.fixture
def lists(web_stack: WebStack) -> Lists:
    web_stack.start_all()
    with sqlite3.connect(web_stack.folder / "auth.db") as connection:
        ((user_id,),) = connection.execute("SELECT user_id FROM users").fetchall()
    anna = web_stack.anna()
    assert anna.post("/api/collections", json={"name": "c"}).status == 201
    scopes = {
        "/api/images": f"images/{user_id}",
        "/api/collections": f"collections/{user_id}",
        "/api/api-keys": f"api-keys/{user_id}",
        "/api/collections/c": "members/c",
        "/api/collections/c/images": "members/c",
        "/api/c/c": "members/c",
    }
    return Lists(anna, scopes)


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


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_no_cursor_is_an_error_of_the_service(lists: Lists, data: st.DataObject) -> None:
    target = data.draw(st.sampled_from(sorted(lists.scopes)))
    document = data.draw(any_document([lists.scopes[target]], [UUID, KEY_ID]))
    assert lists.client.get(target, params={"cursor": encoded(document)}).status in {200, 422}
