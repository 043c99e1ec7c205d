"""Calls to auth and catalog: within the deadline of the request, and repeated only where that is harmless."""

import json
import math
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

import gevent
import structlog
from gevent.lock import BoundedSemaphore

from chassis import deadlines, tracing
from chassis.deadlines import Deadline
from chassis.errors import DependencyDownError, OutcomeUnknownError
from chassis.stages import Stage
from gateway import metrics
from gateway.kept_connections import LostError, NotConnectedError, Pool
from gateway.settings import GatewaySettings
from gateway.table import Service

log = structlog.get_logger(__name__)

_PAUSE_S = 0.05
_ASKED_EVERY_S = 1.0


@dataclass(frozen=True)
class Answer:
    """The complete answer of `service`; the names of its headers are in small letters."""

    service: Service
    status: int
    headers: Mapping[str, str]
    body: bytes

    def document(self) -> dict[str, Any]:
        """Return the object in JSON that the body is. Raise `DependencyDownError` if it is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            log.error("service answers something else than a JSON object", called=self.service, status=self.status)
            raise DependencyDownError(f"{self.service} service")
        return document


@dataclass(frozen=True)
class _Request:
    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes | None


class Services:
    """The services behind the gateway, called over kept connections, each by a limited number of calls at a time."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._pools = {"auth": Pool(settings.auth_url), "catalog": Pool(settings.catalog_url)}
        self._connect_timeout_s = settings.connect_timeout_s
        self._asking = {"auth": BoundedSemaphore(), "catalog": BoundedSemaphore()}
        self._found: dict[Service, tuple[float, bool]] = {}
        self._slots = {"auth": BoundedSemaphore(settings.calls), "catalog": BoundedSemaphore(settings.calls)}

    def are_busy(self, service: Service) -> bool:
        """Return whether so many calls of `service` are in progress that another one would have to wait."""
        return bool(self._slots[service].locked())

    def call(  # noqa: PLR0913 - the parts of one request
        self,
        service: Service,
        method: str,
        target: str,
        deadline: Deadline,
        *,
        parameters: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        repeatable: bool | None = None,
    ) -> Answer:
        """Return the answer of `service` at the path `target`, a document in JSON or none, before `deadline`.

        A request of which nothing was sent is sent again for a while. One whose connection was lost later is sent once
        more if it is `repeatable`, by default a GET: a DELETE whose answer was lost would be answered with 404 the
        second time. One that was not answered in time is never sent again.

        Raise `DependencyDownError` without an answer, `OutcomeUnknownError` if the request may have had an effect.
        """
        repeatable = method == "GET" if repeatable is None else repeatable
        target = f"{target}?{urlencode(parameters)}" if parameters else target
        request = _Request(method, target, headers or {}, body)
        # Time-outs of sockets are for each part of an answer; this one is for all of it.
        timeout = gevent.Timeout(max(deadline.left_s(), 0))
        began, measured = False, metrics.Call(service)
        shown = {"http.request.method": method, "peer.service": service}
        try:
            with Stage(service, kind="client", attributes=shown) as span, measured, timeout:
                with Stage(f"place at {service}") if self.are_busy(service) else nullcontext():
                    self._slots[service].acquire()
                try:
                    began = True
                    answer = self._send(service, request, deadline, repeatable=repeatable)
                finally:
                    self._slots[service].release()
                measured.status = answer.status
                span.set("http.response.status_code", answer.status)
        except (NotConnectedError, LostError, gevent.Timeout) as fault:
            if isinstance(fault, gevent.Timeout) and fault is not timeout:
                raise
            log.warning("service does not answer", called=service, error=type(fault).__name__)
            nothing_sent = isinstance(fault, NotConnectedError)
            raise _lost(service, harmless=repeatable or nothing_sent or not began) from fault
        if answer.body and "json" not in answer.headers.get("content-type", ""):
            log.error("service answers something else than JSON", called=service, status=answer.status)
            raise _lost(service, harmless=repeatable)
        return answer

    def answers(self, service: Service) -> bool:
        """Return True if `service` answers, or did less than a second ago, however many ask."""
        with self._asking[service]:
            asked, found = self._found.get(service, (-math.inf, False))
            if time.monotonic() - asked < _ASKED_EVERY_S:
                return found
            found = False
            with suppress(NotConnectedError, LostError, gevent.Timeout), gevent.Timeout(self._connect_timeout_s):
                request = _Request("GET", "/healthz", {}, None)
                deadline = Deadline.after(self._connect_timeout_s)
                found = self._send(service, request, deadline, repeatable=True).status == HTTPStatus.OK
            self._found[service] = time.monotonic(), found
            return found

    def _send(self, service: Service, request: _Request, deadline: Deadline, *, repeatable: bool) -> Answer:
        began, pause_s = time.monotonic(), _PAUSE_S
        while True:
            try:
                return self._send_once(service, request, deadline)
            except NotConnectedError:
                if time.monotonic() + pause_s - began >= self._connect_timeout_s or deadline.left_s() <= pause_s:
                    raise
                time.sleep(pause_s)
                pause_s *= 2
                metrics.CALL_RETRIES.labels(service).inc()
            except LostError:
                if not repeatable or deadline.left_s() <= 0:
                    raise
                repeatable = False
                metrics.CALL_RETRIES.labels(service).inc()

    def _send_once(self, service: Service, request: _Request, deadline: Deadline) -> Answer:
        left_s = max(deadline.left_s(), 0.001)  # 0 would be no time-out but a socket that never waits
        headers = {**request.headers, deadlines.HEADER: f"{left_s:.3f}"}
        if traceparent := tracing.current().traceparent:
            headers[tracing.HEADER] = traceparent
        received = self._pools[service].ask(
            request.method,
            request.target,
            headers,
            request.body,
            connect_timeout_s=min(self._connect_timeout_s, left_s),
            timeout_s=left_s,
        )
        return Answer(service, received.status, received.headers, received.body)


def _lost(service: Service, *, harmless: bool) -> DependencyDownError:
    return DependencyDownError(f"{service} service") if harmless else OutcomeUnknownError(f"{service} service")
