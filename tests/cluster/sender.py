"""Sends requests to the gateway from within the cluster. Run in a pod, so it uses the standard library only.

Usage: python - BASE KEY IMAGE LEAST    it ends when LEAST requests are sent and a line arrives on standard input

Prints one JSON object: how many were sent, and each that had no answer or another than was due. Half of the clients
keep their connection, and look before each request whether the gateway has closed it, as every HTTP library does. The
number of requests is bounded: at most fifty times LEAST are sent.
"""

import http.client
import json
import select
import ssl
import sys
import threading
import time
from collections.abc import Iterator
from itertools import count
from urllib.parse import SplitResult, urlsplit

CLIENTS = 6
PACE_S = 0.03
TIMEOUT_S = 25.0


class Sender(threading.Thread):
    """One client."""

    def __init__(self, number: int, base: SplitResult, key: str, image: str) -> None:
        super().__init__()
        self.number, self.base, self.key, self.image = number, base, key, image
        self.keeps = number % 2 == 0
        self.stop = threading.Event()
        self.sent = 0
        self.failed: list[str] = []

    def run(self) -> None:
        """Send requests until `stop` is set."""
        connection = self.connection()
        for method, target, body, due in self.requests():
            if self.stop.wait(PACE_S):
                return
            if not self.keeps or self.is_closed(connection):
                connection.close()
            began = time.time()
            headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
            try:
                connection.request(method, target, body, headers)
                answer = connection.getresponse()
                text = answer.read()
                if answer.status != due:
                    self.failed.append(f"{began:.3f} {method} {target}: {answer.status} {text[:200]!r}")
            except (OSError, http.client.HTTPException) as fault:
                took = time.time() - began
                self.failed.append(f"{began:.3f} {method} {target}: {fault!r} after {took:.2f} s, keeps {self.keeps}")
                connection.close()
            self.sent += 1

    def connection(self) -> http.client.HTTPConnection:
        """Return a connection that is not open yet."""
        if self.base.scheme == "http":
            return http.client.HTTPConnection(self.base.netloc, timeout=TIMEOUT_S)
        any_certificate = ssl.create_default_context()  # that of the test is for nobody else
        any_certificate.check_hostname = False
        any_certificate.verify_mode = ssl.CERT_NONE
        return http.client.HTTPSConnection(self.base.netloc, timeout=TIMEOUT_S, context=any_certificate)

    def requests(self) -> Iterator[tuple[str, str, str | None, int]]:
        """Yield requests that read and change, of anybody and of the user."""
        for turn in count():
            yield "GET", f"/api/i/{self.image}", None, 200
            yield "GET", "/api/images?limit=5", None, 200
            yield "PUT", f"/api/images/{self.image}", json.dumps({"title": f"{self.number}-{turn}"}), 200
            yield "GET", f"/api/images/{self.image}", None, 200

    @staticmethod
    def is_closed(connection: http.client.HTTPConnection) -> bool:
        """Return whether the other side has closed an idle connection."""
        return connection.sock is not None and bool(select.select([connection.sock], [], [], 0)[0])


def main() -> None:
    """Send requests, and print what became of them."""
    base, key, image, least = sys.argv[1:]
    senders = [Sender(number, urlsplit(base), key, image) for number in range(CLIENTS)]
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.readline()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    for sender in senders:
        sender.start()

    def sent() -> int:
        return sum(sender.sent for sender in senders)

    while not (ended.is_set() and sent() >= int(least)) and sent() < 50 * int(least):
        time.sleep(0.1)
    for sender in senders:
        sender.stop.set()
    for sender in senders:
        sender.join()
    failed = sorted(text for sender in senders for text in sender.failed)
    print(json.dumps({"sent": sent(), "failed": len(failed), "first": failed[:20]}))  # noqa: T201


if __name__ == "__main__":
    main()
