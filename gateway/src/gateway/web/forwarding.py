"""Forwarding: authenticate the client, read the request, call the service, and return its answer."""

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from http import HTTPStatus

import structlog
from flask import Response, json, request

from chassis import idempotency, request_ids
from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError
from chassis.stages import Stage
from chassis.web import problems
from chassis.web.app import MAX_BATCH_BYTES
from chassis.web.observation import SOURCE_HEADER
from gateway import api_keys, paths, prefixes
from gateway.progress import Progress
from gateway.room import Room
from gateway.services import Answer, Services
from gateway.settings import GatewaySettings
from gateway.single_images import TOGETHER, SingleImages
from gateway.table import Route
from gateway.web import completion, direct_images, query, request_bodies
from gateway.web.authentication import Authentication, Sender

SENT_HEADERS = ("Content-Type", "If-Match", "If-None-Match", idempotency.HEADER)
RETURNED_HEADERS = (
    "Content-Type",
    "ETag",
    "Link",
    "Location",
    "Retry-After",
    "WWW-Authenticate",
    idempotency.REPLAYED,
)

# A service's 401 for a user who was deleted after the token was signed: the only 401 of a service that is passed on.
USER_IS_GONE = "unauthorized"

log = structlog.get_logger(__name__)

View = Callable[..., Response]

# In one web process, for the bodies of batches.
ROOM_FOR_BATCHES = 16 * 1024 * 1024


def view_of(
    route: Route, services: Services, authentication: Authentication, progress: Progress, settings: GatewaySettings
) -> View:
    """Return the view that forwards `route`.

    Errors are reported in this order: credentials, body, parameters, and then whatever the service finds.
    """
    call = SingleImages(services, route.target).call if route.target in TOGETHER else services.call
    audiences = [route.service, *([route.completed_by[0]] if route.completed_by else [])]
    room = Room(ROOM_FOR_BATCHES)

    def view(**raw: str) -> Response:
        with ExitStack() as held:
            return forward(raw, held)

    def forward(raw: Mapping[str, str], held: ExitStack) -> Response:
        deadline = Deadline.after(settings.deadline_s)
        sender = None if route.public else authentication.sender(audiences, deadline)
        body, read_in_s = read_body(sender, held)
        deadline = deadline.postponed(read_in_s)
        named = route.name({name: paths.decode(value) for name, value in raw.items()})
        parameters = [*named.items(), *query.read(route, request, body)]
        if sender and body is not None and (more := request_bodies.count_items(request, body, route.items) - 1):
            sender = authentication.sender(audiences, deadline, more)
        headers = sent_headers(sender)
        if route.completed_by is not None:
            headers.pop("If-None-Match", None)  # is compared with the tag of the whole, which no service knows
        is_head = request.method == "HEAD"
        method = "GET" if is_head else request.method
        target = (route.head_target if is_head else None) or route.target
        asked = direct_images.outcome(request.environ) if route.public else None
        answer = asked or call(
            route.service, method, target, deadline, parameters=parameters, headers=headers, body=body
        )
        require_trust(answer)
        if route.completed_by is not None and sender and answer.status == HTTPStatus.OK:
            asking = {name: headers[name] for name in (request_ids.HEADER, SOURCE_HEADER)}
            asking["Authorization"] = sender.authorizations[1]
            return completion.complete(relay(answer), services, route.completed_by, asking, deadline)
        return relay(answer)

    def read_body(sender: Sender | None, held: ExitStack) -> tuple[bytes | None, float]:
        """Return the body, which may have its room as long as `held`, and for how many seconds it was waited for."""
        if request.method not in {"POST", "PUT"}:
            return None, 0.0
        began = time.monotonic()
        with Stage("request body"), progress.waiting(request.remote_addr or ""):
            if sender and route.items and request.method == "POST":
                reading = request_bodies.reading(
                    request, settings.body_timeout_s, MAX_BATCH_BYTES, room, sender.user_id
                )
                body = held.enter_context(reading)
            else:
                body = request_bodies.read(request, settings.body_timeout_s)
        return body, time.monotonic() - began

    return view


def sent_headers(sender: Sender | None) -> dict[str, str]:
    """Return the headers of the current request for the service that it is forwarded to."""
    # Python takes some bytes of Latin-1 for spaces, too; to the services the value is the same without them.
    headers = {name: request.headers[name].strip() for name in SENT_HEADERS if name in request.headers}
    headers[request_ids.HEADER] = request_ids.current()
    headers[SOURCE_HEADER] = request.remote_addr or ""
    if sender is not None:
        headers["Authorization"] = sender.authorizations[0]
    return headers


def require_trust(answer: Answer) -> None:
    """Raise `DependencyDownError` if a service does not trust auth: then the client's credentials are valid."""
    if answer.status == HTTPStatus.UNAUTHORIZED and answer.document().get("code") != USER_IS_GONE:
        # The services have different token keys, or their clocks differ.
        log.error("service refuses the token that auth has just signed", called=answer.service)
        raise DependencyDownError(f"{answer.service} service")


def relay(answer: Answer) -> Response:
    """Return what the client gets of the answer of a service."""
    body = answer.body
    if answer.headers.get("content-type", "").startswith(problems.CONTENT_TYPE):
        # The service has put in its own path; the client needs that of its request.
        problem = {**answer.document(), "instance": api_keys.hide(request.path)}
        body = json.dumps(problem).encode()
    body = prefixes.add_to_body(body, prefixes.current())
    relayed = Response(body, answer.status)
    del relayed.headers["Content-Type"]
    for name in RETURNED_HEADERS:
        if name.lower() in answer.headers:
            relayed.headers[name] = prefixes.add_to_header(name, answer.headers[name.lower()])
    return relayed
