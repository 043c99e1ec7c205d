"""The gunicorn worker of the services behind the gateway: threads, and no new connections once it is to end.

Gunicorn's own threaded worker keeps its listening socket open until its last connection has ended, but accepts nothing
from it any more. Clients that connect in between are accepted by the kernel, wait for seconds, and are then cut off.
"""

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):
    """On SIGTERM, answers the clients that are connected; others are refused at once, and can try another replica."""

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Accept new connections or not; once the worker is to end, accept those that wait, and stop listening."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            accepted = -1
            while self.nr_conns != accepted:
                accepted = self.nr_conns
                self.accept(listener)
            listener.close()
        self.sockets = []
