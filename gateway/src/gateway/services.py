"""Calls to auth and catalog: with timeouts, without redirects, retried only where that is harmless."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus

import requests
import structlog
from urllib3.util.retry import Retry

from chassis.errors import DependencyDownError
from gateway.kept_connections import Adapter
from gateway.settings import GatewaySettings
from gateway.table import Service

log = structlog.get_logger(__name__)

_POOL = 200


def _retry(methods: Collection[str] | None) -> Retry:
    """Return the policy: retry once if there was no connection; for `methods` (None: all) also if it was lost later.

    An answer is never retried: urllib3 would repeat a 429 or 503 that has a Retry-After, and then raise an error.
    """
    return Retry(
        total=1, backoff_factor=0.1, status=0, redirect=0, respect_retry_after_header=False, allowed_methods=methods
    )


@dataclass(frozen=True)
class Answer:
    """The complete answer of a service."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Services:
    """The services behind the gateway, called over persistent connections."""

    def __init__(self, settings: GatewaySettings) -> None:
        self._bases: dict[Service, str] = {"auth": settings.auth_url, "catalog": settings.catalog_url}
        self._timeout_s = (settings.connect_timeout_s, settings.read_timeout_s)
        self._session = requests.Session()
        # Credentials from a .netrc must not replace those of the caller, nor may a proxy from the environment see them.
        self._session.trust_env = False
        self._session.headers.clear()
        # Only reading is retried: a DELETE whose answer was lost would be answered with 404 the second time.
        adapter = Adapter(pool_maxsize=_POOL, max_retries=_retry({"GET"}))
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        # Getting a token changes nothing, so it may always be retried.
        self._session.mount(f"{settings.auth_url}/tokens", Adapter(pool_maxsize=_POOL, max_retries=_retry(None)))

    def call(  # noqa: PLR0913 - the parts of one request
        self,
        service: Service,
        method: str,
        target: str,
        *,
        parameters: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """Return the answer of `service` at the path `target`. Raise `DependencyDownError` without one in JSON."""
        try:
            answer = self._session.request(
                method,
                self._bases[service] + target,
                params=list(parameters),
                headers=dict(headers or {}),
                data=body,
                timeout=self._timeout_s,
                allow_redirects=False,
            )
        except requests.RequestException as fault:
            log.warning("service does not answer", called=service, error=type(fault).__name__)
            raise DependencyDownError(f"{service} service") from fault
        if answer.content and "json" not in answer.headers.get("Content-Type", ""):
            log.error("service answers something else than JSON", called=service, status=answer.status_code)
            raise DependencyDownError(f"{service} service")
        return Answer(answer.status_code, answer.headers, answer.content)

    def answers(self, service: Service) -> bool:
        """Return True if `service` answers."""
        return self.call(service, "GET", "/healthz").status == HTTPStatus.OK
