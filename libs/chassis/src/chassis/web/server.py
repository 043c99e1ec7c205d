"""Serving HTTP with gunicorn: the same options for every service, the application made in each web process."""

import gc
from collections.abc import Callable
from importlib import import_module
from typing import Any

import structlog
from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.glogging import Logger as GunicornLogger
from prometheus_client import multiprocess

from chassis import ops, shared_metrics, tracing
from chassis.listening import BACKLOG, listen
from chassis.settings import WebSettings

log = structlog.get_logger(__name__)

# Much longer than the gateway uses an idle connection again: it must not be closed just when a request is sent.
KEEPALIVE_S = 75
GRACE_S = 20
STUCK_WORKER_S = 60
LONGEST_HEADER = 64 * 1024


class _Logger(GunicornLogger):
    """Passes gunicorn's messages to our logs. Its access log is off, since the applications log each request."""

    def setup(self, cfg: Any) -> None:
        super().setup(cfg)
        self.error_log.handlers.clear()
        self.error_log.propagate = True


class _Server(BaseApplication):
    def __init__(self, make_flask: Callable[[], Flask], options: dict[str, Any]) -> None:
        self._make_flask = make_flask
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        return self._make_flask()


def serve(factory: str, settings: WebSettings, *, shares_modules: bool = True, **options: Any) -> None:
    """Serve the application that `factory` makes of `settings` until SIGTERM; requests in flight are finished.

    `factory` is a function, named as `module:function`. It is called in each web process, not in the one that
    supervises them: no connection is shared between processes. Its module is imported before, which saves each process
    some 25 MiB, unless `shares_modules` is False. `options` are those of gunicorn, by name.
    """
    if settings.ops_port and not shared_metrics.are_shared():
        raise RuntimeError("the operations port would show no metrics of the web processes: see chassis.program")

    def make_flask() -> Flask:
        tracing.begin()  # not before: the thread that sends does not live on in a forked process
        module, _, function = factory.partition(":")
        flask: Flask = getattr(import_module(module), function)(settings)
        _keep_all()
        return flask

    def when_ready(_server: Any) -> None:
        ops.serve(settings.ops_host, settings.ops_port, own={}, shared={})
        log.info("serving", host=settings.listen_host, port=settings.listen_port)

    def child_exit(_server: Any, worker: Any) -> None:
        if shared_metrics.are_shared():
            multiprocess.mark_process_dead(worker.pid)  # type: ignore[no-untyped-call]

    defaults: dict[str, Any] = {
        # With sockets that gunicorn opens, it depends on the system whether those of IPv6 accept IPv4 too.
        "bind": f"fd://{listen(settings.listen_host, settings.listen_port).detach()}",
        "backlog": BACKLOG,
        "workers": settings.web_processes,
        "worker_class": "chassis.web.gunicorn_worker.Worker",
        "keepalive": KEEPALIVE_S,
        "graceful_timeout": GRACE_S,
        "timeout": STUCK_WORKER_S,
        # The gateway has tighter limits, and a byte of a client's may become three here, percent-encoded. Of lines 0
        # means no limit, but of headers it means the default.
        "limit_request_line": 0,
        "limit_request_field_size": LONGEST_HEADER,
        # By default gunicorn lets headers from this machine change how a request is read (SCRIPT_NAME, the scheme).
        "forwarded_allow_ips": "",
        "worker_tmp_dir": "/dev/shm",  # noqa: S108 - heartbeats must not wait for a disk
        "control_socket_disable": True,
        "logger_class": _Logger,
        "loglevel": "warning",
        "when_ready": when_ready,
        "child_exit": child_exit,
        "worker_exit": lambda _server, _worker: tracing.end(),
    }
    if shares_modules:
        import_module(factory.partition(":")[0])
        _keep_all()
    _Server(make_flask, {**defaults, **options}).run()


def _keep_all() -> None:
    """Have what there is now stay until the process ends.

    Looking through these hundred thousand objects for garbage, as Python does now and then, would stop all requests for
    some 20 ms each time, and write to memory that processes share.
    """
    gc.collect()
    gc.freeze()
