"""Structured logs: one event a line on stdout, with the request id of the work it belongs to, and no secret."""

import logging
import re
import sys
from collections.abc import Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"


def redactor(patterns: Sequence[re.Pattern[str]]) -> Processor:
    """Make a processor that replaces what PATTERNS match in every text of an event, exceptions included."""

    def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        for name, value in event.items():
            if isinstance(value, str):
                for pattern in patterns:
                    value = pattern.sub(REDACTED, value)  # noqa: PLW2901 - each pattern works on what is left
                event[name] = value
        return event

    return redact


def configure(service: str, level: str, log_format: str, secrets: Sequence[re.Pattern[str]] = ()) -> None:
    """Send the logs of structlog and of the standard library to stdout in LOG_FORMAT ("json" or "console")."""

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
        else structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty())
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    handler.setLevel(level.upper())  # also of what a library logs whose logger has a level of its own
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for chatty in ("botocore", "boto3", "urllib3", "s3transfer", "PIL"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    # Of one lost connection pika tells in 50 lines, stacks included, and then raises what our own line tells of.
    logging.getLogger("pika").setLevel(logging.WARNING if root.level <= logging.DEBUG else logging.CRITICAL)
