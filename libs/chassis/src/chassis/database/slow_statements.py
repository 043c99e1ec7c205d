"""Statements that take long are logged, with what they waited for; each statement is a span of its trace.

Neither shows the values in a statement. What a statement of PostgreSQL waits for can be seen only while it runs, so a
thread looks at those that have run for a while.
"""

import threading
import time
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
import structlog

from chassis import tracing
from chassis.tracing import Span

log = structlog.get_logger(__name__)

_LONGEST_SHOWN = 1000
_CONNECT_S = 3
_ACTIVITY = (
    "SELECT pid, wait_event_type, wait_event, pg_blocking_pids(pid) "
    "FROM pg_stat_activity WHERE pid = ANY(%(processes)s)"
)
# The transaction of SQLite that writes begins so, and waits for all others that write.
_WRITE_LOCK = "BEGIN IMMEDIATE"


@dataclass
class _Running:
    began: float
    span: Span
    connection: sa.Connection
    waited: dict[str, Any] = field(default_factory=dict)

    def server_process(self) -> int | None:
        """Return the process of PostgreSQL that works on it."""
        opened: Any = self.connection.connection.dbapi_connection
        return None if opened is None else int(opened.info.backend_pid)


class SlowStatements:
    """Logs the statements of `engine` that take `slow_s` seconds or more, and makes a span of each.

    `has_processes` says that each connection has a process of PostgreSQL for itself, which can be looked at.
    """

    def __init__(self, engine: sa.Engine, slow_s: float, *, has_processes: bool) -> None:
        self._engine = engine
        self._slow_s = slow_s
        self._has_processes = has_processes
        self._running: dict[int, _Running] = {}
        self._lock = threading.Lock()
        self._looking: threading.Thread | None = None
        self._stop = threading.Event()
        sa.event.listen(engine, "before_cursor_execute", self._begin)
        sa.event.listen(engine, "after_cursor_execute", self._end)
        sa.event.listen(engine, "handle_error", self._fail)
        sa.event.listen(engine, "engine_disposed", self._stop_looking)

    def _begin(
        self, connection: sa.Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool
    ) -> None:
        span = tracing.NOTHING
        if tracing.current().is_kept:
            shown = {"db.system.name": self._engine.dialect.name, "db.query.text": _shown(statement)}
            span = tracing.span(statement.split(None, 1)[0].upper(), "client", shown)
        self._running[id(context)] = _Running(time.perf_counter(), span, connection)
        if self._has_processes and self._looking is None:
            self._start_looking()

    def _end(
        self, _connection: sa.Connection, _cursor: Any, statement: str, _values: Any, context: Any, _many: bool
    ) -> None:
        self._finish(context, statement)

    def _fail(self, fault: sa.engine.ExceptionContext) -> None:
        self._finish(fault.execution_context, fault.statement or "", type(fault.original_exception).__name__)

    def _finish(self, context: Any, statement: str, error: str = "") -> None:
        running = self._running.pop(id(context), None)
        if running is None:
            return
        if error:
            running.span.fail(error)
        running.span.end()
        took_s = time.perf_counter() - running.began
        if took_s >= self._slow_s:
            if statement == _WRITE_LOCK:
                running.waited = {"waited_for": "the write lock"}
            failed = {"error": error} if error else {}
            shown = _shown(statement)
            log.warning("slow statement", ms=round(took_s * 1000, 1), statement=shown, **running.waited, **failed)

    # --- what they wait for ---

    def _start_looking(self) -> None:
        with self._lock:
            if self._looking is None:
                self._stop.clear()
                self._looking = threading.Thread(target=self._look, name="slow statements", daemon=True)
                self._looking.start()

    def _stop_looking(self, _engine: sa.Engine) -> None:
        """End the thread: who forks other processes has disposed of the engine before."""
        with self._lock:
            looking, self._looking = self._looking, None
            self._stop.set()
        if looking is not None and looking is not threading.current_thread():
            looking.join()

    def _look(self) -> None:
        while not self._stop.wait(self._slow_s / 2):
            before = time.perf_counter() - self._slow_s / 2
            slow = {each.server_process(): each for each in list(self._running.values()) if each.began < before}
            slow.pop(None, None)
            if slow:
                try:
                    self._ask(slow)
                except Exception:
                    log.debug("what slow statements wait for is not known", exc_info=True)

    def _ask(self, slow: dict[int | None, _Running]) -> None:
        arguments, named = self._engine.dialect.create_connect_args(self._engine.url)
        opened: Any = self._engine.dialect.connect(*arguments, **{**named, "connect_timeout": _CONNECT_S})
        # Not from the pool: all its connections may wait.
        with closing(opened):
            for process, kind, event, blocking in opened.execute(_ACTIVITY, {"processes": list(slow)}):
                waited_for = f"{kind}: {event}" if kind else "nothing, it was worked on"
                slow[process].waited = {"waited_for": waited_for} | ({"blocked_by": blocking} if blocking else {})


def _shown(statement: str) -> str:
    return " ".join(statement.split())[:_LONGEST_SHOWN]
