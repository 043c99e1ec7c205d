"""Connections that come at the same moment: who begins when."""

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import gevent
import pytest

from gateway.door.listener import AT_ONCE, MOST_ACCEPTED, MOST_WAITING, Listener
from gateway.door.turns import FIRST_AT_ONCE, is_health_check

MANY = 5 * AT_ONCE
FLOOD = 800
WORK_S = 0.0005  # that each takes of the process, beside what waits


class Served:
    """A listener that notes the addresses of its clients in the order in which they begin."""

    def __init__(self, most_waiting: int = MOST_WAITING, most_per_source: int = MOST_WAITING, sock: Any = None) -> None:
        self.order: list[Any] = []
        if sock is None:
            sock = gevent.socket.socket(fileno=socket.create_server(("127.0.0.1", 0), backlog=2 * FLOOD).detach())
        self.listener = Listener(sock, self._handle, most_waiting, most_per_source)

    def _handle(self, _sock: Any, address: Any) -> None:
        self.order.append(address)
        time.sleep(WORK_S)

    def wait_for(self, count: int) -> None:
        """Wait until `count` clients have begun."""
        with gevent.Timeout(10):
            while len(self.order) < count:
                gevent.sleep(0)


@pytest.fixture
def served() -> Iterator[Served]:
    made = Served()
    yield made
    made.listener.close()


REQUEST = b"GET /api/images HTTP/1.1\r\n\r\n"


def connect(served: Served, clients: ExitStack, sent: bytes = b"", source: str = "127.0.0.1") -> Any:
    """Connect a client at the address `source`, which sends something; return its address with the port."""
    return connected(served, clients, sent, source).getsockname()


def connected(served: Served, clients: ExitStack, sent: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    """Return the connection of such a client."""
    client = socket.create_connection(served.listener.address, timeout=10, source_address=(source, 0))
    clients.enter_context(client).sendall(sent)
    return client


def test_health_check_begins_before_others_who_came_before(served: Served) -> None:
    with ExitStack() as clients:
        others = [connect(served, clients, REQUEST) for _ in range(FLOOD)]
        checks = [
            connect(served, clients, f"{how} HTTP/1.1\r\n\r\n".encode()) for how in ("GET /healthz", "HEAD /readyz")
        ]
        served.listener.start()
        served.wait_for(FLOOD + 2)
    assert set(served.order) == {*others, *checks}
    assert max(served.order.index(check) for check in checks) < FLOOD // 2


def test_health_check_that_is_sent_after_others_have_come_begins_before_them(served: Served) -> None:
    with ExitStack() as clients:
        for _ in range(2 * MANY):
            connect(served, clients, REQUEST)
        check = clients.enter_context(socket.create_connection(served.listener.address))
        served.listener.max_accept = MOST_ACCEPTED  # so that the check waits with the others when it sends
        served.listener.start()
        served.wait_for(AT_ONCE)
        check.sendall(b"GET /healthz HTTP/1.1\r\n\r\n")
        served.wait_for(2 * MANY + 1)
        address = check.getsockname()
    assert served.order.index(address) < 2 * MANY - AT_ONCE


def test_connection_that_has_ended_waits_for_nothing(served: Served) -> None:
    with ExitStack() as clients:
        there = [connect(served, clients, REQUEST) for _ in range(AT_ONCE)]
        for _ in range(MANY):  # which have ended before they were accepted
            socket.create_connection(served.listener.address).close()
        ends = [socket.create_connection(served.listener.address) for _ in range(MANY)]
        last = connect(served, clients)
        served.listener.start()
        while not served.order:
            gevent.sleep(0)
        for client in ends:
            client.close()
        with gevent.Timeout(10):
            while last not in served.order:
                gevent.sleep(0)
    assert served.order[:AT_ONCE] == there
    assert len(served.order) < MANY


def test_flood_of_health_checks_does_not_begin_at_once(served: Served) -> None:
    begun = [0]
    with ExitStack() as clients:
        for _ in range(2 * MANY):
            connect(served, clients, b"GET /healthz HTTP/1.1\r\n\r\n")
        served.listener.start()
        while begun[-1] < 2 * MANY:
            gevent.sleep(0)
            begun.append(len(served.order))
    assert max(later - before for before, later in pairwise(begun)) <= AT_ONCE + FIRST_AT_ONCE


@pytest.mark.parametrize("length", [100, 2000])
def test_health_check_is_short(length: int) -> None:
    assert is_health_check(b"GET /healthz HTTP/1.1\r\nX: " + b"x" * length) == (length < 1000)


def test_end_accepts_no_more_than_can_have_waited(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.door.listener.BACKLOG", MANY)
    with ExitStack() as clients:
        for _ in range(MANY + 5):
            connect(served, clients)
        served.listener.start()
        served.listener.close_after_all()
        served.wait_for(MANY)
        gevent.sleep(0)
        assert len(served.order) == MANY


def test_only_one_begins_while_many_more_come(served: Served) -> None:
    begun = [0]
    with ExitStack() as clients:
        for _ in range(2 * MANY):
            connect(served, clients)
        served.listener.start()
        while begun[-1] < 2 * MANY:
            gevent.sleep(0)
            begun.append(len(served.order))
    steps = {later - before for before, later in pairwise(begun)}
    assert {0, 1, AT_ONCE} < steps
    assert max(steps) == AT_ONCE


def test_few_who_come_together_are_shared_with_other_processes(served: Served) -> None:
    """One process would else have all connections of a proxy, which keeps them, and the others none."""
    other = Served(sock=served.listener.socket.dup())
    with ExitStack() as clients:
        clients.callback(other.listener.close)
        for _ in range(2 * AT_ONCE):
            connect(served, clients, REQUEST)
        for each in (served, other):
            each.listener.start()
        with gevent.Timeout(10):
            while len(served.order) + len(other.order) < 2 * AT_ONCE:
                gevent.sleep(0)
    assert min(len(served.order), len(other.order)) >= AT_ONCE // 2


def test_who_has_sent_nothing_begins_too(served: Served) -> None:
    with ExitStack() as clients:
        silent = [connect(served, clients) for _ in range(MANY)]
        served.listener.start()
        served.wait_for(MANY)
    assert served.order == silent


def test_those_who_are_too_many_wait_in_the_kernel() -> None:
    served = Served(most_waiting=3)
    with ExitStack() as clients:
        clients.callback(served.listener.close)
        everybody = [connect(served, clients, REQUEST) for _ in range(MANY)]
        served.listener.start()
        gevent.sleep(0)
        assert len(served.order) < MANY
        served.wait_for(MANY)
    assert served.order == everybody


def test_those_who_wait_when_it_ends_are_served(served: Served) -> None:
    with ExitStack() as clients:
        everybody = [connect(served, clients) for _ in range(MANY)]
        served.listener.start()
        gevent.sleep(0)
        everybody += [connect(served, clients) for _ in range(MANY)]
        served.listener.close_after_all()
        served.wait_for(2 * MANY)
        assert sorted(served.order) == sorted(everybody)
        with pytest.raises(ConnectionRefusedError):
            connect(served, clients)


def test_many_of_one_address_do_not_hold_up_another_one(served: Served) -> None:
    with ExitStack() as clients:
        for _ in range(FLOOD):
            connect(served, clients, REQUEST)
        others = [connect(served, clients, REQUEST, f"127.0.0.{number}") for number in (2, 3)]
        served.listener.start()
        served.wait_for(FLOOD + 2)
    assert all(served.order.index(other) < FLOOD // 2 for other in others)


def test_silent_ones_hold_up_nobody(served: Served) -> None:
    with ExitStack() as clients:
        for number in range(2 * MANY):
            connect(served, clients, source=f"127.0.0.{number + 2}")
        late = connected(served, clients)
        served.listener.start()
        served.wait_for(AT_ONCE)
        late.sendall(REQUEST)
        there = connect(served, clients, REQUEST)
        served.wait_for(2 * MANY + 2)
        assert max(map(served.order.index, (there, late.getsockname()))) < 2 * MANY - AT_ONCE


@pytest.mark.parametrize("limits", [{"most_waiting": 4}, {"most_per_source": 4}])
def test_who_is_silent_for_longest_gives_way(limits: dict[str, int]) -> None:
    served = Served(**limits)
    with ExitStack() as clients:
        clients.callback(served.listener.close)
        other = connect(served, clients, source="127.0.0.2")
        silent = [connected(served, clients) for _ in range(MANY)]
        served.listener.start()
        served.wait_for(AT_ONCE + 1)
        assert silent[AT_ONCE].recv(1) == b""
        with gevent.Timeout(10):
            while silent[-1].getsockname() not in served.order:
                gevent.sleep(0)
    assert other in served.order
    assert len(served.order) < MANY


def test_who_is_one_too_many_of_an_address_is_answered() -> None:
    served = Served(most_per_source=4)
    with ExitStack() as clients:
        clients.callback(served.listener.close)
        everybody = [connected(served, clients, REQUEST) for _ in range(MANY)]
        other = connect(served, clients, REQUEST, "127.0.0.2")
        served.listener.start()
        with gevent.Timeout(10):
            while other not in served.order:
                gevent.sleep(0)
        gevent.sleep(0.05)  # the others who wait begin
        refused = next(client for client in everybody if client.getsockname() not in served.order)
        answer = refused.recv(4096)
        assert refused.recv(4096) == b""  # and no reset, with which some clients lose the answer
    assert answer.startswith(b"HTTP/1.1 503 Service Unavailable")
    assert b"\r\nRetry-After: " in answer
