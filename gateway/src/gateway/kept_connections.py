"""Connections to the services, kept for the next request while it is certain that the service keeps them too.

HTTP lets either side close an idle connection at any moment. Had a request just been sent on it, nobody could tell
whether it was received. So a connection is used again for `REUSED_FOR_S` only. A service keeps an idle connection for
much longer, and for 2 seconds once it has been told to end (gunicorn's `STOP_KEEPALIVE_LINGER`); what comes meanwhile
it answers, with `Connection: close`.
"""

import time
from typing import Any

from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.util import parse_url

REUSED_FOR_S = 1.0
_MOST_KEPT = 200


class _Kept:
    """A connection that counts as closed once it was idle for `REUSED_FOR_S`. urllib3 then opens a new one."""

    _answered = float("inf")

    def getresponse(self) -> Any:
        """Return the answer, and remember when it came."""
        answer = super().getresponse()  # type: ignore[misc] # of the connection that this is mixed into
        self._answered = time.monotonic()
        return answer

    @property
    def is_connected(self) -> bool:
        """Whether another request may be sent."""
        return super().is_connected and time.monotonic() - self._answered < REUSED_FOR_S  # type: ignore[misc]


class _Connection(_Kept, HTTPConnection):
    pass


class _TlsConnection(_Kept, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


def pool(url: str) -> HTTPConnectionPool:
    """Return a pool of connections to the server of `url`, kept in this way; more are opened when they are needed."""
    parts = parse_url(url)
    kind = _TlsPool if parts.scheme == "https" else _Pool
    return kind(parts.host or "", parts.port, maxsize=_MOST_KEPT)
