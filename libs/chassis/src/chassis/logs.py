"""Structured logs: one event a line, with the request id of the work it belongs to, and no secret."""

import logging
import re
import sys
from collections.abc import Sequence
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from chassis import tracing

REDACTED = "[redacted]"


def redactor(patterns: Sequence[re.Pattern[str]]) -> Processor:
    """Return a processor that redacts what `patterns` match in every text of a log event, tracebacks included."""

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for name, value in event.items():
            if isinstance(value, str):
                for pattern in patterns:
                    value = pattern.sub(REDACTED, value)  # noqa: PLW2901 - the patterns apply one after another
                event[name] = value
        return event

    return redact


def _name_trace(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    span = tracing.current()
    if span.is_kept:
        event["trace_id"] = span.trace_id
    return event


def _keep_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what would begin another line or change the terminal; the lines of a traceback are indented."""
    traceback = event.pop("exception", None)
    shown = {_escaped(name): _escaped(value) for name, value in event.items()}
    if traceback is not None:
        shown["exception"] = "\n".join(f"  | {_escaped(line)}" for line in str(traceback).splitlines())
    return shown


def _escaped(value: Any) -> Any:
    """Return `value` without control characters: what is no number is a text then."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = str(value)
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def configure(
    service: str,
    level: str,
    log_format: str,
    secrets: Sequence[re.Pattern[str]] = (),
    stream: TextIO | None = None,
) -> None:
    """Send the logs of structlog and of the standard library to `stream` in `log_format` ("json" or "text").

    The stream is standard output by default. Texts that match one of `secrets` are redacted.
    """
    stream = stream or sys.stdout
    # No line shows these, and they are found out for each one: "Optimization" in the Logging HOWTO of Python.
    logging.logProcesses = logging.logThreads = logging.logMultiprocessing = False

    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        _name_trace,
        name_service,
        structlog.stdlib.add_log_level,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redactor(secrets),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    renderers: list[Processor] = [structlog.processors.JSONRenderer()]
    if log_format == "text":
        renderers = [_keep_one_line, structlog.dev.ConsoleRenderer(colors=stream.isatty(), sort_keys=False)]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderers],
        )
    )
    handler.setLevel(level.upper())  # also for libraries whose loggers have a level of their own
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    # Written at every level: see chassis.audit. Of its own, as the other handler has a level.
    audit, of_audit = logging.getLogger("audit"), logging.StreamHandler(stream)
    of_audit.setFormatter(handler.formatter)
    audit.handlers[:] = [of_audit]
    audit.setLevel(logging.INFO)
    audit.propagate = False
    for chatty in ("botocore", "boto3", "urllib3", "s3transfer", "PIL"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # For one lost connection pika logs 50 lines with stack traces, then raises an error, which we log in one line.
    logging.getLogger("pika").setLevel(logging.WARNING if root.level <= logging.DEBUG else logging.CRITICAL)
