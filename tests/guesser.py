"""Guesses passwords over many connections at once, while an API key is used from the same address.

    python guesser.py GATEWAY_URL SOURCE KEY

A program that needs nothing but Python, so that tests can run it where it has an address of its own: after many wrong
passwords their source is refused for a minute. SOURCE is the address to connect from; empty: any. The result is JSON.
"""

import base64
import http.client
import json
import sys
import threading
import time
from collections import Counter
from urllib.parse import urlsplit

GUESSERS = 40
LASTS_S = 4.0
PAUSE_S = 0.05
TARGET = "/api/collections?limit=1"


class Client:
    """A client with one connection, which is opened again when it is lost."""

    def __init__(self, url: str, source: str) -> None:
        address = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            str(address.hostname), address.port, timeout=30, source_address=(source, 0)
        )

    def status(self, authorization: str) -> str:
        """Return the status of an answer, or the name of the error if there is none."""
        try:
            self._connection.request("GET", TARGET, headers={"Authorization": authorization})
            answer = self._connection.getresponse()
            answer.read()
        except (OSError, http.client.HTTPException) as fault:
            self._connection.close()
            return type(fault).__name__
        return str(answer.status)


def main(url: str, source: str, key: str) -> dict[str, object]:
    """Return how often which status came, for the guesses and for the key, and the longest wait with the key in s."""
    guesses: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    end = threading.Event()

    def guess(number: int) -> None:
        client, count = Client(url, source), 0
        while not end.is_set():
            count += 1
            text = base64.b64encode(f"user{number}-{count}:a guess".encode()).decode()
            guesses[client.status(f"Basic {text}")] += 1

    guessers = [threading.Thread(target=guess, args=(number,)) for number in range(GUESSERS)]
    for guesser in guessers:
        guesser.start()
    client, longest_s = Client(url, source), 0.0
    ends = time.monotonic() + LASTS_S
    while time.monotonic() < ends:
        began = time.monotonic()
        asked[client.status(f"Bearer {key}")] += 1
        longest_s = max(longest_s, time.monotonic() - began)
        time.sleep(PAUSE_S)
    end.set()
    for guesser in guessers:
        guesser.join()
    return {"guesses": guesses, "key": asked, "longest_s": round(longest_s, 3)}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])) + "\n")
