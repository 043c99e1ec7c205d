"""The comparison of figures tells what has become slower."""

from typing import Any

from benchmarks.check import AGAINST_ORIGIN, MARGIN, fallen


def figure(name: str, ratio: float | None) -> dict[str, Any]:
    return {"name": name, "ratio": ratio, "ours": 1.0}


def test_ratio_that_fell_by_more_than_the_margin_is_told() -> None:
    before = [figure("read", 1.0), figure("list", 1.0), figure("time", None)]
    after = [figure("read", 0.99 - MARGIN), figure("list", 1.01 - MARGIN), figure("time", None)]
    assert fallen(before, after) == ["read: 1.000 before, 0.840 now"]


def test_figure_that_is_missing_is_told_and_a_new_one_is_not() -> None:
    assert fallen([figure("read", 1.0)], [figure("list", 1.0)]) == ["read: is measured no longer"]
    assert fallen([figure("read", 0.5)], [figure("read", None)]) == ["read: 0.500 before, 0.000 now"]


def test_figure_against_the_origin_may_be_missing_which_is_not_everywhere() -> None:
    assert fallen([figure(f"read, {AGAINST_ORIGIN}", 4.0)], []) == []
    told = fallen([figure(f"read, {AGAINST_ORIGIN}", 4.0)], [figure(f"read, {AGAINST_ORIGIN}", 3.0)])
    assert told == ["read, against the origin: 4.000 before, 3.000 now"]


def test_ratio_that_rose_is_not_told() -> None:
    assert fallen([figure("read", 0.5)], [figure("read", 0.9)]) == []
