"""Forwarding: authenticate the client, read the request, call the service, and return its answer."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus

import structlog
from flask import Response, json, request

from chassis import idempotency, request_ids
from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError, OutcomeUnknownError
from chassis.stages import Stage
from chassis.web import problems
from chassis.web.observation import SOURCE_HEADER, note_caller
from gateway import api_keys, paths, prefixes
from gateway.password_checks import PasswordChecks
from gateway.progress import Progress
from gateway.public_images import PublicImages
from gateway.services import Answer, Services
from gateway.settings import GatewaySettings
from gateway.table import Route
from gateway.web import completion, query, rate_limits, request_bodies

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


def view_of(
    route: Route, services: Services, checks: PasswordChecks, progress: Progress, settings: GatewaySettings
) -> View:
    """Return the view that forwards `route`.

    Errors are reported in this order: credentials, body, parameters, and then whatever the service finds.
    """
    call = PublicImages(services).call if route.target == PublicImages.TARGET else services.call

    def view(**raw: str) -> Response:
        deadline = Deadline.after(settings.deadline_s)
        # Python takes some bytes of Latin-1 for spaces, too; to the services the value is the same without them.
        headers = {name: request.headers[name].strip() for name in SENT_HEADERS if name in request.headers}
        headers[request_ids.HEADER] = request_ids.current()
        headers[SOURCE_HEADER] = request.remote_addr or ""
        if not route.public:
            found = _authenticate(route, services, checks, progress, deadline)
            if isinstance(found, Response):
                return found
            headers["Authorization"], *further = (f"Bearer {token}" for token in found)
        body = None
        if request.method in {"POST", "PUT"}:
            began = time.monotonic()
            with Stage("request body"), progress.waiting(request.remote_addr or ""):
                body = request_bodies.read(request, settings.body_timeout_s)
            deadline = deadline.postponed(time.monotonic() - began)
        named = route.name({name: paths.decode(value) for name, value in raw.items()})
        parameters = [*named.items(), *query.read(route, request, body)]
        is_head = request.method == "HEAD"
        method = "GET" if is_head else request.method
        target = (route.head_target if is_head else None) or route.target
        if route.completed_by is not None:
            headers.pop("If-None-Match", None)  # is compared with the tag of the whole, which no service knows
        answer = call(route.service, method, target, deadline, parameters=parameters, headers=headers, body=body)
        if answer.status == HTTPStatus.UNAUTHORIZED and answer.document().get("code") != USER_IS_GONE:
            # The client's credentials are valid. The services have different token keys, or their clocks differ.
            log.error("service refuses the token that auth has just signed", called=route.service)
            raise DependencyDownError(f"{route.service} service")
        if route.completed_by is not None and answer.status == HTTPStatus.OK:
            asking = {name: headers[name] for name in (request_ids.HEADER, SOURCE_HEADER)} | {
                "Authorization": further[0]
            }
            return completion.complete(_relay(answer), services, route.completed_by, asking, deadline)
        return _relay(answer)

    return view


def _authenticate(
    route: Route, services: Services, checks: PasswordChecks, progress: Progress, deadline: Deadline
) -> list[str] | Response:
    """Return tokens in exchange for the client's credentials, or auth's refusal.

    The first is for the route's service, a further one for the service that completes the answer.
    """
    authorization, source = request.headers.get("Authorization"), request.remote_addr or ""
    asked = {
        "authorization": authorization,
        "source": source,
        "audience": route.service,
        "method": request.method,
        "further_audiences": [route.completed_by[0]] if route.completed_by else [],
    }
    with ExitStack() as turn:
        with Stage("turn for a password"), progress.waiting(source):
            turn.enter_context(checks.turn(authorization or "", source))
        answer = services.call(
            "auth",
            "POST",
            "/tokens",
            deadline,
            repeatable=True,
            headers={"Content-Type": "application/json", request_ids.HEADER: request_ids.current()},
            body=json.dumps(asked, ensure_ascii=False).encode(),
        )
        rate_limits.note(answer)
        # Who is refused for the number of their requests has sent the right password.
        status = HTTPStatus.OK if rate_limits.is_refusal(answer) else answer.status
        checks.note(authorization or "", source, status)
    if answer.status == HTTPStatus.SERVICE_UNAVAILABLE and answer.document().get("code") == OutcomeUnknownError.code:
        raise DependencyDownError("auth service")  # what the client asked for was not even begun
    if answer.status != HTTPStatus.OK:
        return _relay(answer)
    try:
        found = answer.document()
        note_caller(found.get("user_id"), found.get("key_id"))
        further = found["further_tokens"] if route.completed_by else ()
        return [str(token) for token in (found["token"], *further)]
    except KeyError:
        raise DependencyDownError("auth service") from None


def _relay(answer: Answer) -> Response:
    body = answer.body
    if answer.headers.get("content-type", "").startswith(problems.CONTENT_TYPE):
        # The service has put in its own path; the client needs that of its request.
        instance = prefixes.current() + api_keys.hide(request.path)
        body = json.dumps({**answer.document(), "instance": instance}).encode()
    else:
        body = prefixes.add_to_body(body)
    relayed = Response(body, answer.status)
    del relayed.headers["Content-Type"]
    for name in RETURNED_HEADERS:
        if name.lower() in answer.headers:
            relayed.headers[name] = prefixes.add_to_header(name, answer.headers[name.lower()])
    return relayed
