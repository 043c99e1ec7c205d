"""Clients that take an answer slowly, or not at all."""

import time
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket

from gateway.door.client import Client, Patience
from gateway.door.connections import Connections
from gateway.door.turns import Turns

MIB = 1024 * 1024
PATIENCE = Patience(head_s=5, idle_s=5, write_s=0.3)


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


def make_client(sock: socket.socket, connections: Connections, source: str = "192.0.2.1") -> Client:
    client = Client(sock, source, PATIENCE, connections, Turns(by_source=True))
    assert connections.admit(client)
    return client


def test_client_that_takes_nothing_is_given_up(pair: tuple[socket.socket, socket.socket]) -> None:
    client = make_client(pair[0], Connections(10, 10, 100 * MIB))
    began = time.monotonic()
    with pytest.raises(ConnectionAbortedError):
        client.sendall(b"x" * 8 * MIB)
    assert 0.2 < time.monotonic() - began < 3


def test_body_is_read_in_small_parts_however_much_is_asked_for(pair: tuple[socket.socket, socket.socket]) -> None:
    client = make_client(pair[0], Connections(10, 10, 100 * MIB))
    client.head_is_read()
    pair[1].setblocking(False)
    sent = pair[1].send(b"x" * MIB)
    assert sent > 64 * 1024
    assert len(client.recv(MIB)) <= 64 * 1024


def test_client_that_takes_an_answer_slowly_gets_it_whole(pair: tuple[socket.socket, socket.socket]) -> None:
    client = make_client(pair[0], Connections(10, 10, 100 * MIB))
    taken = 0

    def take() -> None:
        nonlocal taken
        while taken < 8 * MIB:
            taken += len(pair[1].recv(MIB))
            gevent.sleep(0.05)

    taking = gevent.spawn(take)
    client.sendall(b"x" * 8 * MIB)
    taking.join(timeout=10)
    assert taken == 8 * MIB


def test_answers_that_nobody_takes_have_bounded_memory() -> None:
    connections = Connections(10, 10, 10 * MIB)
    given_up: list[int] = []

    def send(number: int, client: Client) -> None:
        try:
            client.sendall(b"x" * 4 * MIB)
        except OSError:
            given_up.append(number)

    pairs = [socket.socketpair() for _ in range(4)]
    sending = []
    for number, (ours, _) in enumerate(pairs):
        sending.append(gevent.spawn(send, number, make_client(ours, connections)))
        gevent.sleep(0.01)
    assert given_up[:2] == [0, 1]  # those that have taken nothing for the longest time
    gevent.joinall(sending)
    for ours, theirs in pairs:
        ours.close()
        theirs.close()


def test_client_whose_request_is_in_progress_does_not_give_way() -> None:
    connections = Connections(2, 2, MIB)
    pairs = [socket.socketpair() for _ in range(3)]
    for ours, _ in pairs[:2]:
        make_client(ours, connections)
    assert not connections.admit(Client(pairs[2][0], "192.0.2.2", PATIENCE, connections, Turns(by_source=True)))
    for ours, theirs in pairs:
        ours.close()
        theirs.close()
