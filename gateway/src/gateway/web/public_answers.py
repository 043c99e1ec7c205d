"""Public answers that are given again for less than a second, without asking catalog, or the application.

So a change shows within a second, and what many ask for costs next to nothing. After that second catalog is asked by
the entity tag whether the answer is still the same. One request asks; others that want the same wait for its answer.
"""

import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import TYPE_CHECKING

from gevent.event import AsyncResult
from werkzeug.http import parse_etags, unquote_etag

from chassis import request_ids
from chassis.web.observation import NOTED_ELSEWHERE, note_request
from chassis.web.problems import CONTENT_TYPE
from gateway import prefixes
from gateway.table import OEMBED, PAGE_FOLDERS, PAGES, ROUTES

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# Counted from when catalog is asked. The rest of a second is for answering.
FRESH_S = 0.9
_OF_API = {route.rule[:7]: route.rule for route in ROUTES if route.public}
_IMAGE, _COLLECTION, _FEED, _MEMBER = (route.rule for route in PAGES)
_OF_A_BODY = frozenset({"content-type", "content-length"})
# What an entry takes beside its body.
_OVERHEAD = 2000

Name = tuple[str, str, str]
Headers = list[tuple[str, str]]


@dataclass
class _Entry:
    """An answer: its status as WSGI has it, its headers without the id of the request, and when it was asked for."""

    status: str
    headers: Headers
    body: bytes
    tag: str | None
    asked: float

    @property
    def code(self) -> int:
        return int(self.status[:3])

    @property
    def is_problem(self) -> bool:
        return self.code >= HTTPStatus.BAD_REQUEST and ("Content-Type", CONTENT_TYPE) in self.headers

    def size(self, name: Name) -> int:
        """Return about how many bytes it takes in memory under `name`."""
        return len(self.body) + 2 * sum(map(len, name)) + _OVERHEAD


class PublicAnswers:
    """Keeps public answers in at most `most_bytes` of memory, by two layers of WSGI middleware around admission.

    What is in memory is answered even while there is too much to do; whoever waits for an answer is a request in
    progress like any other.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._bytes = 0
        self._kept: OrderedDict[Name, _Entry] = OrderedDict()  # the one that was used last at the end
        self._asking: dict[Name, AsyncResult[_Entry]] = {}

    def from_memory(self, app: "WSGIApplication") -> "WSGIApplication":
        """Return the middleware that answers from memory, and has `app` answer everything else."""

        def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            entry = self._fresh(_name(environ)) if _is_public_read(environ) else None
            if entry is None:
                return app(environ, start_response)
            request_ids.adopt(environ.get("HTTP_X_REQUEST_ID"))
            return _respond(entry, environ, start_response, time.monotonic())

        return answer

    def asking_once(self, app: "WSGIApplication") -> "WSGIApplication":
        """Return the middleware that has `app` answer those who want the same at the same moment, by one request."""

        def answer(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
            if not _is_public_read(environ):
                return app(environ, start_response)
            began, name = time.monotonic(), _name(environ)
            request_ids.adopt(environ.get("HTTP_X_REQUEST_ID"))
            asking = self._asking.get(name)
            entry = self._fresh(name) or (asking.get() if asking else self._ask(app, name, environ))
            return _respond(entry, environ, start_response, began)

        return answer

    def _fresh(self, name: Name) -> _Entry | None:
        entry = self._kept.get(name)
        if entry is None or time.monotonic() - entry.asked >= FRESH_S:
            return None
        self._kept.move_to_end(name)
        return entry

    def _ask(self, app: "WSGIApplication", name: Name, environ: "WSGIEnvironment") -> _Entry:
        """Return the answer of `app`, which may tell that the one from before is still right."""
        asking = self._asking[name] = AsyncResult()
        try:
            entry = _answer_of(app, environ, self._kept.get(name))
        except BaseException as fault:
            asking.set_exception(fault)
            raise
        finally:
            del self._asking[name]
        asking.set(entry)
        if entry.code == HTTPStatus.OK and entry.tag is not None:
            self._keep(name, entry)
        return entry

    def _keep(self, name: Name, entry: _Entry) -> None:
        before = self._kept.pop(name, None)
        if before is not None:
            self._bytes -= before.size(name)
        self._kept[name] = entry
        self._bytes += entry.size(name)
        while self._bytes > self._most_bytes:
            oldest, dropped = self._kept.popitem(last=False)
            self._bytes -= dropped.size(oldest)


def _is_public_read(environ: "WSGIEnvironment") -> bool:
    return _route(environ["PATH_INFO"]) is not None and environ["REQUEST_METHOD"] in {"GET", "HEAD"}


def _route(path: str) -> str | None:
    """Return the rule of the public answer at `path`, None if there is none that is kept."""
    folder, below = path[:3], path[3:]
    if folder not in PAGE_FOLDERS:
        return _OF_API.get(path[:7]) or (OEMBED.rule if path == OEMBED.rule else None)
    if folder == "/i/":
        return _IMAGE
    if "/" in below:
        return _MEMBER
    return _FEED if below.endswith(".atom") else _COLLECTION


def _name(environ: "WSGIEnvironment") -> Name:
    return prefixes.of(environ), environ["PATH_INFO"], environ["QUERY_STRING"]


def _answer_of(app: "WSGIApplication", environ: "WSGIEnvironment", before: _Entry | None) -> _Entry:
    asked, told = time.monotonic(), _Told()
    inner = {**environ, "REQUEST_METHOD": "GET", NOTED_ELSEWHERE: True}
    inner["HTTP_X_REQUEST_ID"] = request_ids.current()
    inner.pop("HTTP_IF_NONE_MATCH", None)
    if before is not None:
        inner["HTTP_IF_NONE_MATCH"] = f'"{before.tag}"'
    parts = app(inner, told.start_response)
    try:
        body = b"".join(parts)
    finally:
        close: Callable[[], None] | None = getattr(parts, "close", None)
        if close is not None:
            close()
    if before is not None and told.status.startswith("304"):
        return replace(before, asked=asked, headers=_updated(before.headers, told.headers))
    tag = next((value for name, value in told.headers if name.lower() == "etag"), None)
    return _Entry(told.status, told.headers, body, unquote_etag(tag)[0], asked)


def _updated(headers: Headers, by: Headers) -> Headers:
    """Return `headers` with those of a 304 in place of the former ones (RFC 9111, section 3.2)."""
    renewed = {name.lower() for name, _ in by}
    return [*(header for header in headers if header[0].lower() not in renewed), *by]


def _respond(
    entry: _Entry, environ: "WSGIEnvironment", start_response: "StartResponse", began: float
) -> Iterable[bytes]:
    """Answer the request of `environ` with `entry`, or with 304, and note that."""
    method, request_id = environ["REQUEST_METHOD"], request_ids.current()
    status, headers, body = entry.status, entry.headers, entry.body
    if entry.is_problem:  # has the id of the request that asked
        body = json.dumps({**json.loads(body), "request_id": request_id}).encode()
        headers = [header for header in headers if header[0].lower() != "content-length"]
        headers.append(("Content-Length", str(len(body))))
    if entry.tag is not None and _is_known(environ.get("HTTP_IF_NONE_MATCH"), entry.tag):
        status, body = "304 NOT MODIFIED", b""
        headers = [header for header in headers if header[0].lower() not in _OF_A_BODY]
    start_response(status, [*headers, (request_ids.HEADER, request_id)])
    route, client = _route(environ["PATH_INFO"]), environ.get("REMOTE_ADDR")
    note_request(method, route or "", int(status[:3]), time.monotonic() - began, client)
    return [body] if method == "GET" else []


class _Told:
    """What the application tells of its answer; the id is that of each request alone."""

    status = ""
    headers: Headers

    def start_response(self, status: str, headers: Headers, _fault: object = None) -> Callable[[bytes], None]:
        self.status = status
        self.headers = [header for header in headers if header[0] != request_ids.HEADER]
        return lambda _: None


def _is_known(if_none_match: str | None, tag: str) -> bool:
    if if_none_match is None:
        return False
    return if_none_match == f'"{tag}"' or parse_etags(if_none_match).contains_weak(tag)
