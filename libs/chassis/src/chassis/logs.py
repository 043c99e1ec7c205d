"""Structured logs: one event a line, with the request id of the work it belongs to, and no secret."""

import logging
import re
import sys
from collections.abc import Sequence
from typing import TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

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


def configure(
    service: str,
    level: str,
    log_format: str,
    secrets: Sequence[re.Pattern[str]] = (),
    stream: TextIO | None = None,
) -> None:
    """Send the logs of structlog and of the standard library to `stream` in `log_format` ("json" or "console").

    The stream is standard output by default. Texts that match one of `secrets` are redacted.
    """
    stream = stream or sys.stdout

    def name_service(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
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
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=stream.isatty())
    )
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
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
