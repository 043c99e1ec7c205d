import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest
from flask import Flask, Request, Response
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from chassis.web import app as web
from chassis.web import paging
from chassis.web.paging import BY_PLACE, Filled, Listing, Moment, Order, Page, Place
from chassis.web.problems import InvalidFieldsError
from cursors import (
    KEY_ID,
    MOMENT,
    ODD_KEY_IDS,
    ODD_UUIDS,
    UUID,
    any_document,
    encoded,
    forged_by_moment,
    forged_by_serial,
)

BY_UUID = paging.by_moment(paging.is_uuid)
BY_KEY_ID = paging.by_moment(re.compile(r"[a-z2-7]{16}").fullmatch)


def requested(query: dict[str, str], order: Order[Place], scope: str = "list") -> Page[Place]:
    request = Request(EnvironBuilder(query_string=query).get_environ())
    return paging.requested(request, Listing("/api/list", scope, order))


def asked(query: dict[str, str]) -> Page[tuple[int, int]]:
    return requested(query, BY_PLACE)


def next_cursor(order: Order[Place], following: Place, scope: str = "list") -> str:
    answer = Response()
    paging.link_next(answer, Listing("/api/list", scope, order), Page(2, None), following)
    target, relation = answer.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    return target.partition("cursor=")[2].rstrip(">")


@pytest.fixture
def app() -> Iterator[Flask]:
    """An application, since it decides how JSON is written."""
    app = web.base_flask("test", {}, {}, {})
    with app.app_context():
        yield app


def filled(texts: Sequence[str], limit: int = 1000, max_bytes: int = paging.PAGE_BYTES) -> Filled[int]:
    items = list(enumerate(texts, 1))
    return paging.fill(items, limit, max_bytes, lambda item: item[0], lambda item: {"text": item[1]})


def texts(page: Filled[int]) -> list[str]:
    return [item["text"] for item in json.loads(page.enclosed().get_data())]


@pytest.mark.usefixtures("app")
def test_cursor_continues_where_the_page_ended() -> None:
    page = filled(["a", "b", "c"], limit=2)
    assert (texts(page), page.following) == (["a", "b"], 2)
    assert asked({"limit": "2", "cursor": next_cursor(BY_PLACE, (2, 0))}) == Page(2, (2, 0))


@pytest.mark.usefixtures("app")
def test_last_page_has_no_next() -> None:
    page = filled(["a", "b"], limit=2)
    assert (texts(page), page.following) == (["a", "b"], None)


@pytest.mark.usefixtures("app")
@given(st.lists(st.text(max_size=40), min_size=1, max_size=20), st.integers(1, 400), st.integers(1, 20))
def test_page_has_as_many_items_as_fit_into_its_bytes_but_at_least_one(
    all_texts: list[str], max_bytes: int, limit: int
) -> None:
    page = filled(all_texts, limit, max_bytes)
    shown = page.count
    assert texts(page) == all_texts[:shown]
    assert page.following == (shown if shown < len(all_texts) else None)
    assert 1 <= shown <= limit
    assert shown == 1 or len(page.enclosed().get_data()) <= max_bytes
    if shown < min(limit, len(all_texts)):
        one_more = filled(all_texts[: shown + 1])
        assert len(one_more.enclosed().get_data()) > max_bytes


@pytest.mark.usefixtures("app")
def test_size_of_a_page_is_that_of_the_bytes_that_are_sent() -> None:
    """Not of characters, and not of texts before they are escaped."""
    for text, size in (("🏔", 4), ('"', 2), ("\1", 6)):
        page = filled([text * 100] * 10, max_bytes=5 * (100 * size + len('{"text":""},')) + 2)
        assert page.count == 5


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "", "1e3", "٣", " 5", "99999"])
def test_unacceptable_limit_is_refused_not_clamped(limit: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        asked({"limit": limit})
    assert [fault["parameter"] for fault in refused.value.faults] == ["limit"]


@pytest.mark.parametrize("name", ["limit", "cursor"])
def test_parameter_that_is_given_twice_is_refused(name: str) -> None:
    """A proxy before the gateway, and a service behind it, might each believe another one."""
    request = Request(EnvironBuilder(query_string=f"{name}=1&{name}=2").get_environ())
    with pytest.raises(InvalidFieldsError) as refused:
        paging.requested(request, Listing("/api/list", "list", BY_PLACE))
    assert {"parameter": name, "code": "given-twice", "detail": "Give it once."} in refused.value.faults


def test_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidFieldsError):
        asked({"cursor": next_cursor(BY_PLACE, (6, 0), "other")})


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda data: data.hex()))
def test_invented_cursor_is_refused_and_raises_no_other_error(cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        asked({"cursor": cursor})


@pytest.mark.parametrize(("order", "item_id"), [(BY_UUID, UUID), (BY_KEY_ID, KEY_ID)])
def test_cursor_of_a_moment_continues_at_it(order: Order[Moment], item_id: str) -> None:
    place = (datetime(2026, 11, 23, 19, 3, 50, 780288, tzinfo=UTC), item_id)
    cursor = next_cursor(order, place)
    assert requested({"cursor": cursor}, order) == Page(1000, place)
    assert cursor == encoded(["list", MOMENT, item_id])


@given(st.datetimes(timezones=st.just(UTC)), st.uuids().map(str))
def test_every_place_comes_back_from_its_cursor(moment: datetime, item_id: str) -> None:
    cursor = next_cursor(BY_UUID, (moment, item_id))
    assert requested({"cursor": cursor}, BY_UUID).after == (moment, item_id)


@pytest.mark.parametrize("cursor", forged_by_moment("list", UUID, ODD_UUIDS))
def test_forged_cursor_of_a_moment_and_uuid_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        requested({"cursor": cursor}, BY_UUID)


@pytest.mark.parametrize("cursor", forged_by_moment("list", KEY_ID, ODD_KEY_IDS))
def test_forged_cursor_of_a_moment_and_key_id_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        requested({"cursor": cursor}, BY_KEY_ID)


@given(st.integers(1, 2**63 - 1), st.integers(1 - 2**63, 2**63 - 1))
def test_every_place_with_a_shift_comes_back_from_its_cursor(serial: int, shift: int) -> None:
    assert asked({"cursor": next_cursor(BY_PLACE, (serial, shift))}).after == (serial, shift)


@pytest.mark.parametrize("cursor", forged_by_serial("list"))
def test_forged_cursor_of_a_serial_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        requested({"cursor": cursor}, BY_PLACE)


@given(any_document(["list", "other"], [UUID, KEY_ID]))
def test_any_document_is_refused_or_the_cursor_of_the_place_that_it_names(document: object) -> None:
    cursor = encoded(document)
    assert comes_back_or_is_refused(cursor, BY_UUID)
    assert comes_back_or_is_refused(cursor, BY_KEY_ID)
    assert comes_back_or_is_refused(cursor, BY_PLACE)


def comes_back_or_is_refused(cursor: str, order: Order[Place]) -> bool:
    try:
        place = requested({"cursor": cursor}, order).after
    except InvalidFieldsError:
        return True
    return place is not None and next_cursor(order, place) == cursor
