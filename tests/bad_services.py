"""Services that misbehave, in place of auth or catalog."""

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self


class Service:
    """A service that does with each connection what `behave` does; `asked` counts its requests."""

    def __init__(self, behave: Callable[[socket.socket], None]) -> None:
        self._behave = behave
        self.asked = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            if connection.recv(65536):
                self.asked += 1
                self._behave(connection)


def silent(connection: socket.socket) -> None:
    """Answer nothing until the other side hangs up."""
    while connection.recv(65536):
        pass
