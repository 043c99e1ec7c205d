"""Request ids: one name for a piece of work, from the client's header through services, messages and logs."""

import re
import uuid

import structlog

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")


def adopt(candidate: str | None) -> str:
    """Make CANDIDATE the id of the work in this context if it is an acceptable one, else a new id; return it."""
    request_id = candidate if candidate and _ACCEPTED.fullmatch(candidate) else str(uuid.uuid4())
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current() -> str:
    """Give the id of the work in this context; outside any, a new one is made and kept."""
    known = structlog.contextvars.get_contextvars().get("request_id")
    return str(known) if known else adopt(None)
