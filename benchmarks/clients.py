"""Clients of a benchmark, on asyncio and in processes of their own: those who ask, and those who attack."""

import asyncio
import multiprocessing
import re
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, cast

TIMEOUT_S = 60.0
_LENGTH = re.compile(rb"\r\ncontent-length: *([0-9]+)")


@dataclass
class Tally:
    """What became of requests: seconds and status of each, 0 for none."""

    seconds: list[float] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)

    def count(self, *statuses: int) -> int:
        """Return how many answers had one of `statuses`."""
        return sum(status in statuses for status in self.statuses)

    def quantile_ms(self, share: float, *statuses: int) -> float:
        """Return the time within which `share` of the answers came, of those with `statuses` if any are given."""
        chosen = sorted(
            s for s, status in zip(self.seconds, self.statuses, strict=True) if not statuses or status in statuses
        )
        return 1000 * chosen[min(len(chosen) - 1, int(share * len(chosen)))] if chosen else float("nan")


class Connection:
    """A kept connection from the address `source`, opened again when it was closed."""

    def __init__(self, port: int, source: str = "127.0.0.1") -> None:
        self._port = port
        self._source = source
        self._wire: _Wire | None = None

    async def ask(self, request: bytes, tally: Tally) -> None:
        """Send `request` and note in `tally` what became of it."""
        began = time.monotonic()
        status = 0
        try:
            if self._wire is None or self._wire.is_over:
                loop = asyncio.get_running_loop()
                _, self._wire = await loop.create_connection(
                    _Wire, "127.0.0.1", self._port, local_addr=(self._source, 0)
                )
            status = await self._wire.ask(request)
        except OSError:
            self.close()
        tally.seconds.append(time.monotonic() - began)
        tally.statuses.append(status)

    def close(self) -> None:
        """Close the connection."""
        if self._wire is not None:
            self._wire.close()
            self._wire = None


class _Wire(asyncio.Protocol):
    """One request at a time on one connection, with little work for each: clients share the machine with the server."""

    def __init__(self) -> None:
        self.is_over = False
        self._received = b""
        self._answered: asyncio.Future[int] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    async def ask(self, request: bytes) -> int:
        """Return the status of the answer to `request`. Raise `OSError` if there is none in `TIMEOUT_S`."""
        loop = asyncio.get_running_loop()
        self._received = b""
        self._answered = loop.create_future()
        patience = loop.call_later(TIMEOUT_S, self.close)
        self._transport.write(request)
        try:
            return await self._answered
        finally:
            patience.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, end, body = self._received.partition(b"\r\n\r\n")
        if not end or self._answered is None or self._answered.done():
            return
        lowered = head.lower()
        length = _LENGTH.search(lowered)
        if len(body) < (int(length[1]) if length else 0):
            return
        if b"\r\nconnection: close" in lowered:
            self.close()
        self._answered.set_result(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_over = True
        if self._answered is not None and not self._answered.done():
            self._answered.set_exception(exc or ConnectionResetError())

    def close(self) -> None:
        """Close the connection."""
        self.is_over = True
        self._transport.close()


def get(target: str, authorization: str = "") -> bytes:
    """Return the request GET `target`."""
    credentials = f"Authorization: {authorization}\r\n" if authorization else ""
    return f"GET {target} HTTP/1.1\r\nHost: x\r\n{credentials}\r\n".encode()


async def regularly(
    port: int, make_request: Callable[[], bytes], every_s: float, for_s: float, source: str = "127.0.0.1"
) -> Tally:
    """Send a request every `every_s` for `for_s` seconds, also while earlier ones wait for their answers."""
    tally, pool, sent = Tally(), [Connection(port, source)], set()
    ends = time.monotonic() + for_s

    async def one(request: bytes) -> None:
        connection = pool.pop() if pool else Connection(port, source)
        await connection.ask(request, tally)
        pool.append(connection)

    due = time.monotonic()
    while due < ends:
        sent.add(asyncio.create_task(one(make_request())))
        due += every_s
        await asyncio.sleep(max(0, due - time.monotonic()))
    await asyncio.gather(*sent)
    for connection in pool:
        connection.close()
    return tally


async def constantly(
    port: int, make_request: Callable[[], bytes], sources: list[str], for_s: float, pause_s: float = 0.0
) -> Tally:
    """Send requests on one connection from each of `sources`, the next `pause_s` after each answer."""
    tally, ends = Tally(), time.monotonic() + for_s

    async def one(source: str) -> None:
        connection = Connection(port, source)
        while time.monotonic() < ends:
            await connection.ask(make_request(), tally)
            if pause_s:
                await asyncio.sleep(pause_s)
        connection.close()

    await asyncio.gather(*(one(source) for source in sources))
    return tally


class InBackground:
    """What the coroutine function `work` does with `args`, in a process of its own."""

    def __init__(self, work: Callable[..., Coroutine[Any, Any, Tally]], *args: Any) -> None:
        context = multiprocessing.get_context("fork")
        self._answer, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_run, args=(theirs, work, args), daemon=True)
        self._process.start()

    def result(self) -> Tally:
        """Wait until it is done, and return the tally."""
        tally: Tally = self._answer.recv()
        self._process.join()
        return tally


def _run(answer: Any, work: Callable[..., Coroutine[Any, Any, Tally]], args: tuple[Any, ...]) -> None:
    answer.send(asyncio.run(work(*args)))
