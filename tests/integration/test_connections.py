"""Connections to the broker: they live while they are idle, and one that is lost is one line and one new connection."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pika
import pytest

from chassis import topology
from chassis.depths import Depths
from chassis.envelope import Event
from chassis.publisher import Publisher
from chassis.topology import Queue
from deadlines import until

HEARTBEAT = b"\x08\x00\x00\x00\x00\x00\x00\xce"


class Line:
    """A line to the broker at URL that counts connections and the heartbeats of clients, and can be cut."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self.connections = 0
        self.heartbeats = 0
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The broker's URL by this line; its heartbeats are quick."""
        account, port = self._parts.netloc.rpartition("@")[0], self._listening.getsockname()[1]
        return f"amqp://{account}@127.0.0.1:{port}{self._parts.path}?heartbeat=2"

    def cut(self) -> None:
        """Cut every connection, as a broker that restarts; new ones are let through."""
        ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self.cut()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                broker = socket.create_connection((self._parts.hostname, self._parts.port))
                self.connections += 1
                self._ends += [client, broker]
                for source, target in ((client, broker), (broker, client)):
                    threading.Thread(target=self._pass_on, args=(source, target, source is client), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, is_clients: bool) -> None:
        with suppress(OSError), source:
            while data := source.recv(65536):
                self.heartbeats += data.count(HEARTBEAT) if is_clients else 0
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def line(broker_url: str) -> Iterator[Line]:
    line = Line(broker_url)
    yield line
    line.close()


@pytest.fixture
def queue(broker_url: str) -> Iterator[Queue]:
    name = f"test.{uuid4().hex}"
    queue = Queue(name, (f"{name}.happened",))
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    topology.declare(connection.channel(), queue)
    yield queue
    for each in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
        connection.channel().queue_delete(each)
    connection.close()


def happened(queue: Queue) -> Event:
    return Event(queue.types[0], "/test", "subject", "request-1", {})


def test_idle_publisher_answers_heartbeats_and_keeps_its_connection(line: Line, queue: Queue) -> None:
    publisher = Publisher(line.url, "test")
    publisher.publish(happened(queue))
    # The broker gives a connection up after two that are missing.
    until(lambda: line.heartbeats >= 6, 30, "the idle connection sends no heartbeats")
    publisher.publish(happened(queue))
    assert line.connections == 1
    publisher.close()


def test_closed_publisher_leaves_no_thread_and_can_be_used_again(line: Line, queue: Queue) -> None:
    before = set(threading.enumerate())
    publisher = Publisher(line.url, "of this test")
    for _ in range(2):
        publisher.publish(happened(queue))
        assert any("of this test" in thread.name for thread in threading.enumerate())
        publisher.close()
        assert not [thread for thread in set(threading.enumerate()) - before if "of this test" in thread.name]
    assert line.connections == 2


PUBLISHING = """
import sys
from chassis import logs
from chassis.envelope import Event
from chassis.publisher import Publisher
url, kind = sys.argv[1:]
logs.configure("test", "info", "json")
publisher = Publisher(url, "test")
for _ in range(2):
    publisher.publish(Event(kind, "/test", "subject", "request-1", {}))
    print("published", flush=True)
    sys.stdin.readline()
publisher.close()
"""


def test_lost_connection_is_one_line_and_the_next_message_goes_at_once(
    line: Line, broker_url: str, queue: Queue, tmp_path: Path
) -> None:
    said = tmp_path / "said"
    with (
        said.open("wb") as output,
        subprocess.Popen(
            [sys.executable, "-c", PUBLISHING, line.url, queue.types[0]],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        assert process.stdin is not None
        until(lambda: said.read_text().count("published") == 1, 30, "nothing is published")
        line.cut()
        until(lambda: "broker connection lost" in said.read_text(), 10, "nobody notices that the connection is lost")
        process.stdin.write(b"\n")
        process.stdin.flush()
        until(lambda: said.read_text().count("published") == 2, 10, "nothing is published any more")
        process.stdin.write(b"\n")
    assert process.returncode == 0
    lines = said.read_text().splitlines()
    assert [text for text in lines if text != "published"] == [
        text for text in lines if "broker connection lost" in text
    ]
    assert len(lines) == 3, said.read_text()
    depths = Depths(broker_url)
    until(lambda: depths.measure(queue).ready == 2, 10, "a message is missing")
    depths.close()


def test_looking_at_depths_takes_one_connection(line: Line, queue: Queue) -> None:
    depths = Depths(line.url)
    for _ in range(3):
        assert depths.measure(queue).ready == 0
    assert line.connections == 1
    line.cut()
    assert depths.measure(queue).ready == 0
    assert line.connections == 2
    depths.close()
