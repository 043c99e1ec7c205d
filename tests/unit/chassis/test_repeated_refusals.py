"""Refusals that come again and again do not fill the audit log, and none of them is lost."""

import json
from typing import Any

import pytest

from chassis import logs
from chassis.audit import Actor, Entry
from chassis.repeated_refusals import RepeatedRefusals
from deadlines import until


def entry(source: str = "192.0.2.1", reason: str = "too-many-attempts") -> Entry:
    return Entry("login", Actor("user", source=source), {}, "refused", reason)


def written(capsys: pytest.CaptureFixture[str]) -> list[tuple[Any, ...]]:
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(line["source"], line["reason"], line["count"]) for line in lines]


def counting(every_s: float = 3600, most: int = 1000) -> RepeatedRefusals:
    logs.configure("auth", "info", "json")
    return RepeatedRefusals(every_s, most)


def test_first_is_told_at_once_and_those_after_it_by_a_count(capsys: pytest.CaptureFixture[str]) -> None:
    refusals = counting()
    told = ("192.0.2.1", "too-many-attempts")
    for _ in range(5):
        refusals.note(entry())
    assert written(capsys) == [(*told, 1)]
    refusals.flush()
    refusals.note(entry())
    assert written(capsys) == [(*told, 4)]
    refusals.flush()
    refusals.flush()
    assert written(capsys) == [(*told, 1)]
    refusals.note(entry())
    assert written(capsys) == [(*told, 1)]


def test_each_source_and_reason_is_told_by_itself(capsys: pytest.CaptureFixture[str]) -> None:
    refusals = counting()
    for _ in range(2):
        for each in (entry(), entry("192.0.2.2"), entry(reason="user-disabled"), entry("2001:db8::1")):
            refusals.note(each)
        refusals.note(entry("2001:db8::2"))  # the same network as the one before
    assert len(written(capsys)) == 4
    refusals.flush()
    assert [count for *_, count in written(capsys)] == [1, 1, 1, 3]


def test_very_many_sources_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    refusals = counting(most=3)
    for number in range(50):
        refusals.note(entry(f"192.0.2.{number}"))
    assert len(written(capsys)) == 4
    refusals.flush()
    assert written(capsys) == [(None, "too-many-attempts", 46)]


def test_count_is_told_by_itself_after_a_while(capsys: pytest.CaptureFixture[str]) -> None:
    refusals = counting(every_s=0.05)
    for _ in range(3):
        refusals.note(entry())
    told: list[tuple[Any, ...]] = []

    def all_are_told() -> bool:
        told.extend(written(capsys))
        return sum(int(count) for *_, count in told) == 3

    until(all_are_told, 10, "the count is not told")
