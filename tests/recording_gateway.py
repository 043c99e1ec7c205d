"""A server in the place of the gateway, which keeps what arrives byte for byte, and answers what it is told to."""

import socketserver
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Thread
from typing import Any

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@dataclass
class RecordingGateway:
    """What has arrived so far; `answers` are given one after another, the last of them again and again."""

    url: str = ""
    heads: list[bytes] = field(default_factory=list)
    answers: list[bytes] = field(default_factory=lambda: [OK])
    connections: int = 0

    def headers(self) -> dict[str, str]:
        """Return the headers of the last request, by their names in small letters."""
        lines = self.heads[-1].decode("latin-1").split("\r\n")[1:]
        return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}

    def targets(self) -> list[bytes]:
        """Return the targets of all requests."""
        return [head.split(b" ")[1] for head in self.heads]


@contextmanager
def recording_gateway() -> Iterator[RecordingGateway]:
    """Run such a server during the block."""
    recorded = RecordingGateway()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            recorded.connections += 1
            while head := self._head():
                recorded.heads.append(head)
                number = min(len(recorded.heads), len(recorded.answers)) - 1
                if not recorded.answers[number]:
                    return
                self.wfile.write(recorded.answers[number])

        def _head(self) -> bytes:
            lines: list[bytes] = []
            while (line := self.rfile.readline()) not in {b"", b"\r\n"}:
                lines.append(line)
            length = next((int(line[15:]) for line in lines if line.lower().startswith(b"content-length:")), 0)
            self.rfile.read(length)
            return b"".join(lines).rstrip()

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True
        block_on_close = False

        def handle_error(self, request: Any, client_address: Any) -> None:
            """Keep quiet about connections that nginx has closed."""

    with Server(("127.0.0.1", 0), Handler) as server:
        recorded.url = f"http://127.0.0.1:{server.server_address[1]}"
        Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield recorded
        finally:
            server.shutdown()
