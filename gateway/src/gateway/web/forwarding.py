"""Forwarding: who is it, what is meant, ask the service, hand its answer on."""

from collections.abc import Callable
from http import HTTPStatus

import structlog
from flask import Response, json, request

from chassis import request_ids
from chassis.errors import DependencyDownError
from chassis.web import problems
from gateway import api_keys, paths, prefixes
from gateway.services import Answer, Services
from gateway.settings import GatewaySettings
from gateway.table import Route
from gateway.web import request_bodies

PAGING = ("limit", "cursor")
SENT = ("Content-Type", "If-Match", "If-None-Match")
RETURNED = ("Content-Type", "ETag", "Link", "Location", "Retry-After", "WWW-Authenticate")

# The code of a service's 401 for a user who was deleted since their token was signed: the one that is the client's.
USER_IS_GONE = "unauthorized"

log = structlog.get_logger(__name__)

View = Callable[..., Response]


def view_of(route: Route, services: Services, settings: GatewaySettings) -> View:
    """Make the view that forwards ROUTE. Credentials come first, then the body, then what only the service knows."""

    def view(**raw: str) -> Response:
        # Stripped, since requests refuses to send a value that begins with one of Unicode's spaces.
        headers = {name: request.headers[name].strip() for name in SENT if name in request.headers}
        headers[request_ids.HEADER] = request_ids.current()
        headers["X-Source"] = request.remote_addr or ""
        if not route.public:
            token = _authenticate(route, services)
            if isinstance(token, Response):
                return token
            headers["Authorization"] = f"Bearer {token}"
        body = request_bodies.read(request, settings.body_timeout_s) if request.method in {"POST", "PUT"} else None
        named = route.name({name: paths.decode(value) for name, value in raw.items()})
        asked = [(name, value) for name in (*PAGING, *route.query) for value in request.args.getlist(name)]
        parameters = [*named.items(), *asked]
        method = "GET" if request.method == "HEAD" else request.method
        answer = services.call(route.service, method, route.target, parameters=parameters, headers=headers, body=body)
        if answer.status == HTTPStatus.UNAUTHORIZED and json.loads(answer.body).get("code") != USER_IS_GONE:
            # The client's credentials are good. The services disagree about the key of tokens, or about the time.
            log.error("service refuses the token that auth has just signed", called=route.service)
            raise DependencyDownError(f"{route.service} service")
        return _relay(answer)

    return view


def _authenticate(route: Route, services: Services) -> str | Response:
    """Exchange the client's credentials for a token for the route's service, or give auth's refusal."""
    asked = {
        "authorization": request.headers.get("Authorization"),
        "source": request.remote_addr or "",
        "audience": route.service,
    }
    answer = services.call(
        "auth",
        "POST",
        "/tokens",
        headers={"Content-Type": "application/json", request_ids.HEADER: request_ids.current()},
        body=json.dumps(asked, ensure_ascii=False).encode(),
    )
    if answer.status != HTTPStatus.OK:
        return _relay(answer)
    token: str = json.loads(answer.body)["token"]
    return token


def _relay(answer: Answer) -> Response:
    body = answer.body
    if answer.headers.get("Content-Type", "").startswith(problems.CONTENT_TYPE):
        # The service saw its own path; the client asked for another.
        instance = prefixes.current() + api_keys.hide(request.path)
        body = json.dumps({**json.loads(body), "instance": instance}).encode()
    else:
        body = prefixes.put_on_body(body)
    relayed = Response(body, answer.status)
    del relayed.headers["Content-Type"]
    for name in RETURNED:
        if name in answer.headers:
            relayed.headers[name] = prefixes.put_on_header(name, answer.headers[name])
    return relayed
