"""Connections to the services, kept for the next request while it is certain that the service keeps them too.

HTTP lets either side close an idle connection at any moment. Had a request just been sent on it, nobody could tell
whether it was received. So a connection is used again for `REUSED_FOR_S` only. A service keeps an idle connection for
much longer, and for 2 seconds once it has been told to end (gunicorn's `STOP_KEEPALIVE_LINGER`); what comes meanwhile
it answers, with `Connection: close`.
"""

import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

REUSED_FOR_S = 1.0


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


class Adapter(HTTPAdapter):
    """An adapter of requests that keeps its connections in this way."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
