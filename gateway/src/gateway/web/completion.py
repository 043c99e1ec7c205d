"""What a user has and may have: auth knows a part of it, and the answer is completed by what another service knows."""

from collections.abc import Mapping
from http import HTTPStatus

import structlog
from flask import Response, json, request

from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError
from chassis.web import etags
from gateway.services import Services
from gateway.table import Service

# The answer is of use without the rest, so it does not wait long for that.
PATIENCE_S = 2.0

log = structlog.get_logger(__name__)


def complete(
    answer: Response, services: Services, by: tuple[Service, str], headers: Mapping[str, str], deadline: Deadline
) -> Response:
    """Return `answer` with the `use` and `limits` that the service and path `by` add; 304 if the client knows it.

    `complete` in it tells whether that service has answered. Its entity tag is that of `answer` with one more part.
    """
    service, target = by
    added = _ask(services, service, target, headers, Deadline.after(min(PATIENCE_S, deadline.left_s())))
    document = json.loads(answer.get_data())
    for name, members in (added or {}).items():
        document[name] |= members
    answer.set_data(json.dumps({**document, "complete": added is not None}))
    tag, _ = answer.get_etag()
    return etags.conditional(request, answer, f"{tag}-{etags.of(added or {})}")


def _ask(
    services: Services, service: Service, target: str, headers: Mapping[str, str], deadline: Deadline
) -> dict[str, dict[str, int | None]] | None:
    """Return what `service` adds to `use` and `limits`, None if it does not answer."""
    try:
        answer = services.call(service, "GET", target, deadline, headers=headers)
        if answer.status == HTTPStatus.OK:
            found = answer.document()
            return {name: dict(found[name]) for name in ("use", "limits")}
    except (DependencyDownError, KeyError):
        return None
    log.warning("service does not tell what a user has", called=service, status=answer.status)
    return None
