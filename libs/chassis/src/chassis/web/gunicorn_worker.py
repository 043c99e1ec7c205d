"""The worker class of the services behind the gateway: gunicorn's threads, and a door that closes when work ends.

Gunicorn's own worker keeps its listening socket until its last connection is done, though it takes nothing from it any
more: whoever connects meanwhile is let in by the kernel, waits for seconds, and is then cut off.
"""

from gunicorn.workers.gthread import ThreadWorker


class Worker(ThreadWorker):
    """On SIGTERM it serves whoever was let in, and has everybody else refused at once, to try another replica."""

    def set_accept_enabled(self, enabled: bool | None) -> None:
        """Take new connections or not; once the worker is to end, close the door."""
        super().set_accept_enabled(enabled)
        if enabled or self.alive:
            return
        for listener in self.sockets:
            let_in = -1
            while self.nr_conns != let_in:
                let_in = self.nr_conns
                self.accept(listener)
            listener.close()
        self.sockets = []
