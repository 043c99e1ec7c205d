import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
import structlog

from chassis import commands, logs, request_ids, tracing
from chassis.settings import DatabaseSettings, ProcessSettings
from gateway import api_keys
from kept_spans import Spans

KEY = "imgh_" + "a" * 16 + "_" + "b" * 39


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def last_line(capsys: pytest.CaptureFixture[str]) -> dict[str, object]:
    line: dict[str, object] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return line


def test_line_carries_service_and_request_id(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("gateway", "info", "json")
    request_ids.adopt("work-1")
    structlog.get_logger().info("request", status=200)
    line = last_line(capsys)
    assert (line["event"], line["service"], line["request_id"], line["status"]) == ("request", "gateway", "work-1", 200)


def test_secret_of_an_api_key_is_redacted_wherever_it_occurs(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("gateway", "info", "json", [api_keys.SECRET])
    try:
        int(f"/api/api-keys/{KEY}")
    except ValueError:
        structlog.get_logger().exception("failed", path=f"/api/api-keys/{KEY}")
    said = capsys.readouterr().out
    assert "b" * 39 not in said
    assert "a" * 16 in said
    logging.getLogger("gunicorn.error").warning("Invalid request: %s", KEY)
    assert "b" * 39 not in capsys.readouterr().out


@pytest.mark.parametrize("candidate", [None, "", "a b", "ä", "x" * 129, "a\nb", "a/b"])
def test_unacceptable_request_id_is_replaced(candidate: str | None) -> None:
    assert request_ids.adopt(candidate) != candidate


@pytest.mark.parametrize("candidate", ["x", "x" * 128, "A.b_c-9"])
def test_acceptable_request_id_is_kept(candidate: str) -> None:
    assert request_ids.adopt(candidate) == candidate == request_ids.current()


def test_one_loud_line_tells_of_default_passwords_and_not_which_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    for password, warnings in (("auth-on-this-machine", 1), ("my own", 0)):
        url = f"postgresql+psycopg://auth:{password}@postgres/auth"
        commands.start("auth", DatabaseSettings(database_url=url))
        said = capsys.readouterr().out
        loud = [json.loads(line) for line in said.splitlines() if "DEFAULT PASSWORDS" in line]
        assert [line["settings"] for line in loud] == [["DATABASE_URL"]] * warnings
        assert password not in said


def test_line_tells_the_moment_in_utc_and_the_severity(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("gateway", "info", "json")
    structlog.get_logger().warning("refused")
    line = last_line(capsys)
    moment = datetime.fromisoformat(str(line["timestamp"]))
    assert moment.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)
    assert line["level"] == "warning"


@pytest.mark.parametrize("text", ['a\n{"event": "forged"}', "a\r\nb", "a\x1b[2Jb", "a\u2028b", 'a", "level": "x'])
def test_no_text_begins_another_line_or_member(capsys: pytest.CaptureFixture[str], text: str) -> None:
    """Clients choose methods and paths, which libraries log, too."""
    logs.configure("gateway", "info", "json")
    structlog.get_logger().info("request", method=text)
    logging.getLogger("gunicorn.error").warning("Invalid request: %s", text)
    ours, theirs = capsys.readouterr().out.splitlines()
    assert json.loads(ours)["method"] == text
    assert json.loads(theirs)["event"] == f"Invalid request: {text}"
    for line in (ours, theirs):
        assert line.isprintable()
        assert json.loads(line)["level"] in {"info", "warning"}


@pytest.mark.parametrize(
    "text", ["a\n2026-11-26 [error] forged", "a\r\nb", "a\x1b[2Jb", "a\u2028b", "a\x9b31mb", "a\x00b"]
)
def test_text_for_people_keeps_an_event_in_one_line(capsys: pytest.CaptureFixture[str], text: str) -> None:
    logs.configure("gateway", "info", "text")
    structlog.get_logger().info("request", method=text, ms=1.5, nested={"a": text}, **{text: 1})
    logging.getLogger("gunicorn.error").warning("Invalid request: %s", text)
    said = capsys.readouterr().out
    assert said.count("\n") == 2
    assert all(line.isprintable() for line in said.split("\n"))
    assert "ms=1.5" in said


def test_text_for_people_shows_tracebacks_that_cannot_be_taken_for_lines(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure("gateway", "info", "text")
    try:
        float("wrong\n2026-11-26 [error] forged\x1b[2J")
    except ValueError:
        structlog.get_logger().exception("failed")
    first, *traceback = capsys.readouterr().out.rstrip().split("\n")
    assert "failed" in first
    assert len(traceback) > 3
    assert all(line.startswith("  | ") and line.isprintable() for line in traceback)


def test_line_names_the_trace_that_it_is_of(capsys: pytest.CaptureFixture[str], spans: Spans) -> None:
    logs.configure("gateway", "info", "json")
    with tracing.work("work", "server") as span:
        structlog.get_logger().info("inside")
        assert last_line(capsys)["trace_id"] == span.trace_id
    structlog.get_logger().info("outside")
    assert "trace_id" not in last_line(capsys)
    assert spans()


def test_former_name_of_the_format_for_people_is_taken() -> None:
    assert ProcessSettings.model_validate({"log_format": "console"}).log_format == "text"
