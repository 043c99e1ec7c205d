"""One trace follows a piece of work; without a collector there is none, and nothing of OpenTelemetry is loaded."""

import subprocess
import sys
from datetime import timedelta
from typing import Any

import pika
import pytest
from flask import Flask, Response
from opentelemetry.trace import format_trace_id

from chassis import tracing, tracing_variables
from chassis.broker.verdicts import Delivery, RetryLater, counts_after, read_delivery
from chassis.clock import now
from chassis.envelope import Event
from chassis.stages import Stage
from chassis.web import app as web
from kept_spans import Spans

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
NOT_KEPT = f"00-{TRACE_ID}-00f067aa0ba902b7-00"
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}
EVERYTHING = (
    "auth.web.app, auth.worker, catalog.web.app, catalog.worker, imaging.worker, auth.cli, catalog.cli, imaging.cli"
)


def application(*, continues_traces: bool) -> Flask:
    app = web.base_flask("test", {}, {}, {}, continues_traces=continues_traces)

    @app.get("/thing/<name>")
    def thing(name: str) -> Response:
        with Stage("part"):
            return Response(name + tracing.current().traceparent)

    @app.get("/broken")
    def broken() -> Response:
        raise ValueError("with a secret in it")

    return app


# --- off ---


@pytest.mark.parametrize("imported", [EVERYTHING, "gateway.web.app, gateway.cli"])
def test_nothing_of_opentelemetry_is_loaded_without_a_collector(imported: str) -> None:
    found = f"import sys, {imported}; print([n for n in sys.modules if n.startswith(('opentelemetry', 'google'))])"
    assert subprocess.run([sys.executable, "-c", found], check=True, capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, False),
        (ENDPOINT, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector/v1/traces"}, True),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector/v1/metrics"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        (ENDPOINT | {"OTEL_SDK_DISABLED": "TRUE"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"}, False),
        (ENDPOINT | {"OTEL_TRACES_EXPORTER": "console,otlp"}, True),
    ],
)
def test_standard_variables_switch_traces_on(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert tracing_variables.name_a_collector() is expected


def test_without_tracing_no_span_does_anything_and_no_event_names_one() -> None:
    with tracing.work("a", "server", parent=SENT) as span, tracing.span("b"):
        assert (span.traceparent, tracing.current().trace_id) == ("", "")
        event = Event("image.created", "/test", "1", "r", {})
    tracing.waited("c", now(), SENT)
    assert b"traceparent" not in event.encode()
    assert Event.decode(event.encode()) == event


# --- requests ---


def test_request_of_another_service_goes_on_with_its_trace(spans: Spans) -> None:
    answer = application(continues_traces=True).test_client().get("/thing/secret", headers={"traceparent": SENT})
    request, part = spans()["GET /thing/<name>"], spans()["part"]
    assert request.parent is not None
    assert format_trace_id(request.context.trace_id) == TRACE_ID
    assert part.parent == request.context
    assert answer.text.startswith(f"secret00-{TRACE_ID}-{part.context.span_id:016x}")
    shown = dict(request.attributes or {})
    assert shown.pop("imghost.request_id") == answer.headers["X-Request-ID"]
    assert shown == {"http.request.method": "GET", "http.route": "/thing/<name>", "http.response.status_code": 200}


@pytest.mark.parametrize("sent", [SENT, NOT_KEPT])
def test_strangers_do_not_decide_what_is_kept_and_are_only_linked(spans: Spans, sent: str) -> None:
    application(continues_traces=False).test_client().get("/thing/a", headers={"traceparent": sent})
    request = spans()["GET /thing/<name>"]
    assert request.parent is None
    assert [format_trace_id(link.context.trace_id) for link in request.links] == [TRACE_ID]
    assert format_trace_id(request.context.trace_id) != TRACE_ID


@pytest.mark.parametrize("sent", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", SENT + "\u00e4"])
@pytest.mark.parametrize("continues_traces", [True, False])
def test_malformed_header_counts_as_none(spans: Spans, sent: str, continues_traces: bool) -> None:
    client = application(continues_traces=continues_traces).test_client()
    assert client.get("/thing/a", headers={"traceparent": sent.encode("latin-1")}).status_code == 200
    request = spans()["GET /thing/<name>"]
    assert (request.parent, list(request.links)) == (None, [])


def test_trace_that_is_not_kept_goes_on_as_such_and_makes_no_spans(spans: Spans) -> None:
    answer = application(continues_traces=True).test_client().get("/thing/a", headers={"traceparent": NOT_KEPT})
    assert answer.text.startswith(f"a00-{TRACE_ID}-")
    assert answer.text.endswith("-00")
    assert spans() == {}


def test_probes_are_not_traced_and_a_request_leaves_no_span_behind(spans: Spans) -> None:
    client = application(continues_traces=True).test_client()
    client.get("/healthz")
    client.get("/readyz")
    assert spans() == {}
    client.get("/thing/a")
    assert tracing.current() is tracing.NOTHING


def test_failure_is_shown_without_the_text_of_the_error(spans: Spans) -> None:
    application(continues_traces=True).test_client().get("/broken")
    with pytest.raises(ValueError, match="secret"), tracing.work("work", "internal"):
        raise ValueError("with a secret in it")
    assert (spans()["GET /broken"].attributes or {})["error.type"] == "500"
    for span in spans().values():
        assert not span.status.is_ok
        assert "secret" not in span.to_json()


# --- messages ---


def test_event_names_the_span_it_was_made_in_as_cloudevents_say(spans: Spans) -> None:
    with tracing.work("work", "server", parent=SENT) as span:
        event = Event("image.created", "/test", "1", "r", {})
    assert event.traceparent == span.traceparent
    assert f'"traceparent":"{span.traceparent}"'.encode() in event.encode()
    assert Event.decode(event.encode()) == event
    assert spans()


def test_every_attempt_at_a_message_is_of_the_span_that_sent_it() -> None:
    sent = read_delivery(pika.BasicProperties(headers={"traceparent": SENT, "x-sent-ms": 1_700_000_000_000}), b"")
    assert (sent.traceparent, sent.date_sent is not None) == (SENT, True)
    assert counts_after(sent, RetryLater(1, exhausts=False))["traceparent"] == SENT


@pytest.mark.parametrize("value", [7, b"x", None, ["a"]])
@pytest.mark.parametrize("moment", [-1, 0, 2**63 - 1, "now", None])
def test_headers_that_are_none_count_as_absent(value: Any, moment: Any) -> None:
    delivery = read_delivery(pika.BasicProperties(headers={"traceparent": value, "x-sent-ms": moment}), b"body")
    assert delivery == Delivery(b"body", "")


def test_wait_is_shown_from_its_begin_and_never_backwards(spans: Spans) -> None:
    tracing.waited("ago", now() - timedelta(seconds=3), SENT)
    tracing.waited("of a clock ahead", now() + timedelta(seconds=3), SENT)
    ago, ahead = spans()["ago"], spans()["of a clock ahead"]
    assert 2.9e9 < (ago.end_time or 0) - (ago.start_time or 0) < 10e9
    assert ahead.end_time == ahead.start_time
