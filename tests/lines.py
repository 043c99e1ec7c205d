"""TCP lines to servers, which show tests what passes through them, and which tests can cut."""

import socket
import threading
from contextlib import suppress
from urllib.parse import urlsplit

HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"  # a complete AMQP frame


class Line:
    """A line to the server at `url` from a port at `host` on this machine; `query` is added to the URL of the line.

    It counts connections and the heartbeats of AMQP clients, can be cut, and can keep back the server's answers.
    """

    def __init__(self, url: str, host: str = "127.0.0.1", query: str = "") -> None:
        self._parts = urlsplit(url)
        self._host = f"[{host}]" if ":" in host else host
        self._query = query
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listening = socket.create_server((host, 0), family=family)
        self._ends: list[socket.socket] = []
        self.connections = 0
        self.heartbeats = 0
        self._is_away = False
        self._is_answering = threading.Event()
        self._is_answering.set()
        self._last_answer: bytes | None = None
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The server's URL through this line."""
        account, at, _ = self._parts.netloc.rpartition("@")
        netloc = f"{account}{at}{self._host}:{self._listening.getsockname()[1]}"
        return self._parts._replace(netloc=netloc, query=self._query).geturl()

    def cut(self) -> None:
        """Cut every connection, as a restarting broker does; new connections pass."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def go_away(self) -> None:
        """Cut every connection, and each new one at once, as if there were no server."""
        self._is_away = True
        self.cut()

    def come_back(self) -> None:
        """Let new connections pass again."""
        self._is_away = False

    def keep_back_answers(self) -> None:
        """Keep back what the server sends, until `answer_again`: it takes everything, and says nothing."""
        self._is_answering.clear()

    def keep_back_answers_from(self, answer: bytes) -> None:
        """Keep back what the server sends as soon as it sends `answer`, and that itself."""
        self._last_answer = answer

    def answer_again(self) -> None:
        """Pass on what was kept back, and what the server sends from now on."""
        self._last_answer = None
        self._is_answering.set()

    def close(self) -> None:
        """End the line and all connections."""
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self._is_away:
                    client.close()
                    continue
                broker = socket.create_connection((self._parts.hostname, self._parts.port))
                self.connections += 1
                self._ends += [client, broker]
                for source, target in ((client, broker), (broker, client)):
                    threading.Thread(target=self._pass_on, args=(source, target, source is client), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_clients: bool) -> None:
        with suppress(OSError), source:
            while data := source.recv(65536):
                self.heartbeats += data.count(HEARTBEAT) if is_clients else 0
                if not is_clients:
                    if self._last_answer is not None and self._last_answer in data:
                        self.keep_back_answers()
                    self._is_answering.wait()
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)
