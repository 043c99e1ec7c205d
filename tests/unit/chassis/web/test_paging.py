import pytest
from flask import Request, Response
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from chassis.web import paging
from chassis.web.paging import Page
from chassis.web.problems import InvalidFieldsError


def asked(query: dict[str, str], scope: str = "list") -> Page[int]:
    return paging.requested(Request(EnvironBuilder(query_string=query).get_environ()), scope, paging.serial)


def next_cursor(scope: str, following: tuple[str, ...]) -> str:
    answer = Response()
    paging.link_next(answer, "/api/list", Page(2, None), scope, following)
    target, relation = answer.headers["Link"].split("; ")
    assert relation == 'rel="next"'
    return target.partition("cursor=")[2].rstrip(">")


def test_cursor_continues_where_the_page_ended() -> None:
    shown, following = paging.cut([5, 6, 7], Page(2, None), lambda item: (str(item),))
    assert (shown, following) == ([5, 6], ("6",))
    assert asked({"limit": "2", "cursor": next_cursor("list", ("6",))}) == Page(2, 6)


def test_last_page_has_no_next() -> None:
    assert paging.cut([5, 6], Page(2, None), lambda item: (str(item),)) == ([5, 6], None)


@pytest.mark.parametrize("limit", ["0", "1001", "-1", "", "1e3", "٣", " 5", "99999"])
def test_unacceptable_limit_is_refused_not_clamped(limit: str) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        asked({"limit": limit})
    assert [fault["parameter"] for fault in refused.value.faults] == ["limit"]


def test_cursor_of_another_list_is_refused() -> None:
    with pytest.raises(InvalidFieldsError):
        asked({"cursor": next_cursor("other", ("6",))})


@given(st.text(max_size=60) | st.binary(max_size=40).map(lambda data: data.hex()))
def test_invented_cursor_is_refused_and_raises_no_other_error(cursor: str) -> None:
    with pytest.raises(InvalidFieldsError):
        asked({"cursor": cursor})


@given(st.tuples(st.text(), st.text()))
def test_positions_are_read_or_refused(position: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r".*"):
        paging.moment_and_id(position)
