"""The audit log: its shape, and when a line is written."""

import json
from typing import Any

import pytest

from chassis import audit, logs, request_ids
from chassis.audit import Actor, Entry
from chassis.errors import DependencyDownError, OutcomeUnknownError

ANNA = Actor("user", "id-of-anna", "anna", "aaaaaaaaaaaaaaaa", "192.0.2.1")
MEMBERS = {
    *("event", "logger", "level", "service", "timestamp", "action", "actor", "user_id", "username", "key_id", "source"),
    *("target", "outcome", "reason", "count", "request_id", "date", "entry_id"),
}


def written(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_line_is_written_at_every_level_and_has_every_member(level: str, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("catalog", level, "json")
    request_ids.adopt("work-1")
    audit.done("image.delete", ANNA, s3_key="a.jpg")
    audit.refused("login", Actor("user", source="192.0.2.1"), "unauthorized")
    done, refused = written(capsys)
    assert set(done) == set(refused) == MEMBERS
    assert done["logger"] == done["event"] == "audit"
    assert (done["actor"], done["user_id"], done["key_id"]) == ("user", ANNA.user_id, ANNA.key_id)
    assert (done["outcome"], done["reason"], done["target"]) == ("done", None, {"s3_key": "a.jpg"})
    assert (refused["outcome"], refused["reason"], refused["request_id"]) == ("refused", "unauthorized", "work-1")


def test_nothing_is_written_unless_the_effect_is_committed(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("catalog", "info", "json")

    def attempt(error: Exception | None) -> None:
        with audit.recording("image.delete", ANNA, s3_key="a.jpg") as target:
            if error is not None:
                raise error
            target["image"] = "id"

    for error in (KeyError("refused"), DependencyDownError("database")):
        with pytest.raises(type(error)):
            attempt(error)
    assert written(capsys) == []
    with pytest.raises(OutcomeUnknownError):
        attempt(OutcomeUnknownError("database"))
    attempt(None)
    assert [(line["outcome"], line["target"]) for line in written(capsys)] == [
        ("unknown", {"s3_key": "a.jpg"}),
        ("done", {"s3_key": "a.jpg", "image": "id"}),
    ]


def test_entry_that_was_stored_is_the_same() -> None:
    entry = Entry("user.create", ANNA, {"user": "id", "revoked_api_keys": ["a"]}, "refused", "code")
    assert audit.decode(audit.encode(entry)) == entry
