"""The caller of a request: what is done for one who no longer waits is given up, and changes nothing."""

import math
import socket
from typing import Any

from flask import Flask, request

from chassis import deadlines
from chassis.deadlines import Deadline


def honour_deadlines(app: Flask) -> None:
    """Have `app` refuse each request whose caller no longer waits, at its begin and before a commit."""

    @app.before_request
    def begin() -> None:
        connection = request.environ.get("gunicorn.socket")
        left_s = _seconds(request.headers.get(deadlines.HEADER))
        deadlines.set_current(Deadline.after(left_s, lambda: connection is None or _is_open(connection)))
        deadlines.require()

    @app.teardown_request
    def end(_fault: BaseException | None) -> None:
        deadlines.set_current(None)


def _seconds(header: str | None) -> float:
    """Return the time that a header tells, endless if there is none. Only the gateway sends it; nonsense is ignored."""
    try:
        seconds = float(header or "inf")
    except ValueError:
        return math.inf
    return math.inf if math.isnan(seconds) else seconds


def _is_open(connection: Any) -> bool:
    """Return False if the other side has closed `connection`: it reads as ended then."""
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True
    except OSError:
        return False
