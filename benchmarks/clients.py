"""Clients of a benchmark, on asyncio and in processes of their own: those who ask, and those who attack."""

import asyncio
import multiprocessing
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

TIMEOUT_S = 60.0


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
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, request: bytes, tally: Tally) -> None:
        """Send `request` and note in `tally` what became of it."""
        began = time.monotonic()
        status = 0
        try:
            async with asyncio.timeout(TIMEOUT_S):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(self._source, 0))
                reader, writer = self._streams
                writer.write(request)
                head = await reader.readuntil(b"\r\n\r\n")
                status = int(head[9:12])
                length = next(
                    (int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")), 0
                )
                await reader.readexactly(length)
                if b"connection: close" in head.lower():
                    self.close()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError):
            self.close()
        tally.seconds.append(time.monotonic() - began)
        tally.statuses.append(status)

    def close(self) -> None:
        """Close the connection."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


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
