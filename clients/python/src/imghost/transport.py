"""Requests to the gateway: within one deadline, and repeated only where that is harmless."""

import random
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import version
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth
from urllib3.exceptions import NewConnectionError

from imghost.errors import NoAnswerError
from imghost.problems import (
    IdempotencyKeyInFlightError,
    OutcomeUnknownError,
    ProblemError,
    RateLimitedError,
    ServiceUnavailableError,
    UnexpectedAnswerError,
    problem_of,
)

Shape = TypeVar("Shape")
Params = Mapping[str, str | int | None]

CONNECT_TIMEOUT_S = 10.0
CONNECTIONS = 64
"""How many threads may share a client without opening a connection for each request."""
_PIECE = 65536
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.2, 5.0
_NOTHING_CHANGED = (RateLimitedError, ServiceUnavailableError, IdempotencyKeyInFlightError)
# Of proxies, whose answers are no problem documents.
_NOT_REACHED = {HTTPStatus.BAD_GATEWAY, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.GATEWAY_TIMEOUT}


class NoCredentials(AuthBase):
    """Sends no credentials; without an object like this, requests would take some from ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return `request` as it is."""
        return request


class Bearer(AuthBase):
    """Sends an API key."""

    def __init__(self, api_key: str) -> None:
        self._api_key = api_key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Return `request` with the key."""
        request.headers["Authorization"] = f"Bearer {self._api_key}"
        return request


def authentication(api_key: str | None, username: str | None, password: str | None) -> AuthBase:
    """Return how to authenticate: with a key, or a username and password, or not at all."""
    if api_key is not None and password is not None:
        raise ValueError("give an API key, or a username and password, and not both")
    if api_key is not None:
        return Bearer(api_key)
    if username is not None and password is not None:
        return HTTPBasicAuth(username.encode(), password.encode())
    if username is not None or password is not None:
        raise ValueError("a username and a password belong together")
    return NoCredentials()


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer with a status below 400."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_id: str
    next_page: str | None = None

    def read(self, shape: type[Shape]) -> Shape:
        """Return the document as `shape`. Raise `UnexpectedAnswerError` if it is another."""
        try:
            return msgspec.json.decode(self.body, type=shape)
        except msgspec.MsgspecError as fault:
            raise UnexpectedAnswerError(
                self.status, f"The answer is not one of imghost: {fault}", self.request_id
            ) from fault

    def entity(self, shape: type[Shape]) -> Shape:
        """Return the document as `shape`, with the `etag` of the answer."""
        return with_etag(self.read(shape), self.headers.get("ETag"))


def with_etag(document: Shape, etag: str | None) -> Shape:
    """Return `document` with `etag`; it is changed in place, and nobody else has it yet."""
    if etag is not None:
        object.__setattr__(document, "etag", etag)
    return document


class Deadline:
    """A moment until which something is to be done."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._ends = time.monotonic() + seconds

    def left_s(self) -> float:
        """Return how many seconds are left, below 0 if it has passed."""
        return self._ends - time.monotonic()


class Transport:
    """Sends requests to the gateway at `url`, and may be used by several threads.

    A call ends within `timeout_s` seconds, repeats and the pauses between them included.
    """

    def __init__(self, url: str, auth: AuthBase, timeout_s: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.fragment:
            raise ValueError(f"not the address of a gateway: {url}")
        if "@" in parts.netloc:
            raise ValueError("credentials do not belong into the address")
        self.url = url.rstrip("/")
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._auth = auth
        self._timeout_s = timeout_s
        self.session = requests.Session()
        # Threads share the session, so that nothing in it may change: no cookies.
        self.session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        for scheme in ("http://", "https://"):
            self.session.mount(scheme, HTTPAdapter(pool_connections=8, pool_maxsize=CONNECTIONS))
        self.session.headers["User-Agent"] = f"imghost-python/{version('imghost')}"

    def send(  # noqa: PLR0913 - the parts of one request
        self,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        body: Mapping[str, Any] | None = None,
        if_match: str | None = None,
        once: bool = False,
        repeatable: bool | None = None,
    ) -> Answer:
        """Return the answer to a request at the percent-encoded `path`.

        A request of which nothing was sent, or that was refused for the moment, is sent again. One whose answer was
        lost is sent again if it is `repeatable`: by default a GET, and a request that the service carries out `once`
        however often it comes, since it has an idempotency key.

        Raise the `ProblemError` that the service answers, and `NoAnswerError` without an answer.
        """
        headers = {"X-Request-ID": uuid.uuid4().hex, "Accept": "application/json"}
        if if_match is not None:
            headers["If-Match"] = if_match
        if once:
            headers["Idempotency-Key"] = f'"{uuid.uuid4()}"'
        request = requests.Request(
            method,
            self.address(path),
            headers=headers,
            params={name: value for name, value in (params or {}).items() if value is not None},
            json=body,
            auth=self._auth,
        )
        repeatable = method == "GET" or once if repeatable is None else repeatable
        return self._repeat(lambda deadline: self._once(request, deadline), repeatable=repeatable)

    def address(self, path: str) -> str:
        """Return the address of `path`, or of the absolute path that a `Link` has, which begins with any prefix."""
        return self._origin + path if path.startswith(f"{urlsplit(self.url).path}/api/") else self.url + path

    def close(self) -> None:
        """Close all connections."""
        self.session.close()

    def _repeat(self, attempt: Callable[[Deadline], Answer], *, repeatable: bool) -> Answer:
        deadline = Deadline(self._timeout_s)
        for pause_s in _pauses():
            try:
                return attempt(deadline)
            except NoAnswerError as fault:
                if fault.sent and not repeatable:
                    raise
                last: NoAnswerError | ProblemError = fault
                wait_s = pause_s
            except ProblemError as fault:
                if not _may_go_better(fault, repeatable=repeatable):
                    raise
                last = fault
                wait_s = max(pause_s, fault.retry_after_s or 0)
            if wait_s >= deadline.left_s():
                raise last
            time.sleep(wait_s)
        raise AssertionError("there are pauses without end")

    def _once(self, request: requests.Request, deadline: Deadline) -> Answer:
        request_id = request.headers["X-Request-ID"]
        left_s = max(deadline.left_s(), 0.001)
        try:
            prepared = self.session.prepare_request(request)
            # Proxies and certificates as the environment says.
            around = self.session.merge_environment_settings(prepared.url, {}, None, None, None)
            timeout = (min(CONNECT_TIMEOUT_S, left_s), left_s)
            with self.session.send(
                prepared,
                stream=True,
                timeout=timeout,
                allow_redirects=False,
                proxies=around["proxies"],
                verify=around["verify"],
                cert=around["cert"],
            ) as response:
                body = _read(response, deadline, request_id)
        except requests.RequestException as fault:
            detail = f"{self._origin} does not answer: {_reason(fault)}"
            raise NoAnswerError(detail, request_id, sent=not _nothing_sent(fault)) from fault
        if response.status_code >= HTTPStatus.MULTIPLE_CHOICES:
            raise _problem(response, body, request_id)
        following = response.links.get("next", {}).get("url")
        if following is not None and not re.match("/[^/]", following):  # credentials go nowhere else
            raise UnexpectedAnswerError(response.status_code, "The next page is not an absolute path.", request_id)
        return Answer(response.status_code, response.headers, body, request_id, following)


def _pauses() -> Iterator[float]:
    """Yield seconds to wait, which double; by chance up to a half less, so that clients do not come all at once."""
    pause_s = _FIRST_PAUSE_S
    while True:
        yield pause_s * random.uniform(0.5, 1)  # noqa: S311 - no secret
        pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)


def _may_go_better(problem: ProblemError, *, repeatable: bool) -> bool:
    if isinstance(problem, _NOTHING_CHANGED):
        return True
    lost = isinstance(problem, OutcomeUnknownError)
    lost |= isinstance(problem, UnexpectedAnswerError) and problem.status in _NOT_REACHED
    return lost and repeatable


def _read(response: requests.Response, deadline: Deadline, request_id: str) -> bytes:
    """Return the body. Time-outs of sockets are for each part of it; the deadline is for all."""
    pieces = []
    for piece in response.iter_content(_PIECE):
        pieces.append(piece)
        if deadline.left_s() < 0:
            raise NoAnswerError(f"the answer took longer than {deadline.seconds:g} s", request_id, sent=True)
    return b"".join(pieces)


def _problem(response: requests.Response, body: bytes, request_id: str) -> ProblemError:
    status = response.status_code
    members: Any = None
    if response.headers.get("Content-Type", "").startswith("application/problem+json"):
        with suppress(msgspec.MsgspecError):
            members = msgspec.json.decode(body)
    if not isinstance(members, dict) or "code" not in members:
        elsewhere = response.headers.get("Location") if status < HTTPStatus.BAD_REQUEST else None
        detail = f"The answer is a redirection to {elsewhere}; use that address." if elsewhere else ""
        return UnexpectedAnswerError(status, detail or f"The answer, {status}, is not one of imghost.", request_id)
    seconds = response.headers.get("Retry-After", "")
    return problem_of(
        status,
        members,
        retry_after_s=float(seconds) if seconds.isdecimal() else None,
        location=response.headers.get("Location"),
    )


def _nothing_sent(fault: requests.RequestException) -> bool:
    if isinstance(fault, requests.ConnectTimeout):
        return True
    cause = fault.args[0] if fault.args else None
    return isinstance(getattr(cause, "reason", None), NewConnectionError)


def _reason(fault: requests.RequestException) -> str:
    if isinstance(fault, requests.Timeout):
        return "it took too long"
    cause = fault.args[0] if fault.args else fault
    return str(getattr(cause, "reason", cause)).rpartition(">: ")[2]
