"""Request ids: one id for a piece of work, from the client's header through services, messages and logs."""

import re
import uuid
from collections.abc import Sequence

import structlog

HEADER = "X-Request-ID"
_ACCEPTED = re.compile(r"[A-Za-z0-9._-]{1,128}")


def adopt(candidate: str | None) -> str:
    """Set the id of the current context to `candidate` if that is acceptable, else to a new id, and return it."""
    request_id = candidate if candidate and _ACCEPTED.fullmatch(candidate) else str(uuid.uuid4())
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=request_id)
    return request_id


def current() -> str:
    """Return the id of the current context; make and set a new one if there is none."""
    known = structlog.contextvars.get_contextvars().get("request_id")
    return str(known) if known else adopt(None)


def note_several(request_ids: Sequence[str]) -> None:
    """Have the lines of the log in the current context show `request_ids`: what is done is done for all of these."""
    structlog.contextvars.bind_contextvars(requests=list(request_ids))
