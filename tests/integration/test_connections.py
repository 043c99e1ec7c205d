"""Connections to the broker: idle ones stay alive, and a lost one costs one log line and one new connection."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from uuid import uuid4

import pika
import pytest

from chassis.broker import link, topology
from chassis.broker.depths import Depths
from chassis.broker.drain import Drain, DrainedMessage
from chassis.broker.errors import NotPublishedError
from chassis.broker.publisher import Publisher
from chassis.broker.topology import Queue
from chassis.envelope import Event
from chassis.errors import DependencyDownError
from deadlines import until
from lines import Line

# The class and the method of channel.open-ok, in AMQP 0-9-1.
CHANNEL_IS_OPEN = b"\x00\x14\x00\x0b"


@pytest.fixture
def line(broker_url: str) -> Iterator[Line]:
    line = Line(broker_url, query="heartbeat=2")
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
    # The broker closes a connection after two missing heartbeats.
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


def test_messages_wait_for_their_confirms_together_and_fail_one_by_one(
    line: Line, broker_url: str, queue: Queue
) -> None:
    publisher = Publisher(line.url, "test")
    publisher.publish(happened(queue))  # the connection is there
    line.keep_back_answers()
    given = [
        publisher.submit(queue.types[0] if number % 10 else "nobody.listens", b"{}", f"message {number}")
        for number in range(200)
    ]
    depths = Depths(broker_url)
    until(lambda: depths.measure(queue).ready == 181, 10, "messages wait for the confirms of others")
    assert not any(each.done() for each in given)
    line.answer_again()
    faults = [each.exception(10) for each in given]
    assert [number for number, fault in enumerate(faults) if fault is not None] == list(range(0, 200, 10))
    assert {str(fault) for fault in faults if fault is not None} == {"no queue takes nobody.listens"}
    depths.close()
    publisher.close()


def test_broker_that_never_confirms_is_given_up_for_a_new_connection(
    line: Line, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONFIRM_S", 1.0)
    publisher = Publisher(line.url, "test")
    publisher.publish(happened(queue))
    line.keep_back_answers()
    given = [publisher.submit(queue.types[0], b"{}", f"message {number}") for number in range(3)]
    for each in given:
        with pytest.raises(NotPublishedError, match="no confirm within 1 s") as told:
            each.result(10)
        assert told.value.broker_is_away
    line.answer_again()
    publisher.publish(happened(queue))
    assert line.connections == 2
    publisher.close()


def test_broker_that_opens_no_channel_is_given_up_for_a_new_connection(
    line: Line, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "CONFIRM_S", 1.0)
    publisher = Publisher(line.url, "test")
    line.keep_back_answers_from(CHANNEL_IS_OPEN)
    with pytest.raises(NotPublishedError, match="no channel within 1 s") as told:
        publisher.publish(happened(queue))
    assert told.value.broker_is_away
    line.answer_again()
    publisher.publish(happened(queue))
    assert line.connections == 2
    publisher.close()


def test_what_is_sent_as_the_connection_is_lost_fails_and_can_be_sent_again(line: Line, queue: Queue) -> None:
    publisher = Publisher(line.url, "test")
    publisher.publish(happened(queue))
    line.keep_back_answers()
    given = [publisher.submit(queue.types[0], b"{}", f"message {number}") for number in range(3)]
    line.cut()
    assert {type(each.exception(10)) for each in given} == {NotPublishedError}
    line.answer_again()
    publisher.publish(happened(queue))
    publisher.close()


def test_channel_that_the_broker_closes_fails_what_waits_and_another_is_opened(line: Line, queue: Queue) -> None:
    publisher = Publisher(line.url, "test")
    publisher.publish(happened(queue))
    with pytest.raises(NotPublishedError, match="NOT_FOUND"):
        publisher.send("there is no such exchange", "key", b"{}", "message", headers={})
    publisher.publish(happened(queue))
    publisher.close()


@pytest.mark.parametrize("when", ["before the first message", "while one waits"])
def test_closing_a_publisher_lets_nobody_wait(line: Line, queue: Queue, when: str) -> None:
    publisher = Publisher(line.url, "test")
    if when == "while one waits":
        publisher.publish(happened(queue))
    line.keep_back_answers()
    given = publisher.submit(queue.types[0], b"{}", "message")
    closing = threading.Thread(target=publisher.close)
    closing.start()
    line.answer_again()
    with suppress(NotPublishedError):  # it may still have been confirmed
        given.result(10)
    closing.join(10)
    assert not closing.is_alive()


PUBLISHING = """
import sys
from chassis import logs
from chassis.envelope import Event
from chassis.errors import DependencyDownError
from chassis.broker.publisher import Publisher
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


def test_node_that_is_away_is_passed_over_for_the_next_one(broker_url: str, queue: Queue) -> None:
    refuses, has_no_address = "amqp://guest:guest@127.0.0.1:9/%2F", "amqp://guest:guest@away.invalid/%2F"
    nodes = f"{refuses},{broker_url},{has_no_address}"
    for _ in range(10):  # the order is random
        with closing(Publisher(nodes, "test")) as publisher, closing(Depths(nodes)) as depths:
            publisher.publish(happened(queue))
            depths.measure(queue)
    with closing(Depths(broker_url)) as depths:
        until(lambda: depths.measure(queue).ready == 10, 10, "a message is missing")
    with closing(Depths(f"{refuses},{refuses}")) as depths, pytest.raises(DependencyDownError):
        depths.measure(queue)
    with closing(Publisher(f"{has_no_address},{refuses}", "test")) as publisher, pytest.raises(NotPublishedError):
        publisher.publish(happened(queue))


def test_looking_at_depths_takes_one_connection(line: Line, queue: Queue) -> None:
    depths = Depths(line.url)
    for _ in range(3):
        assert depths.measure(queue).ready == 0
    assert line.connections == 1
    line.cut()
    assert depths.measure(queue).ready == 0
    assert line.connections == 2
    depths.close()


def test_drain_keeps_its_connection_and_the_letter_while_the_database_is_away(
    line: Line, broker_url: str, queue: Queue
) -> None:
    publisher = Publisher(broker_url, "test")
    publisher.send("", queue.dead, b"{}", "m", headers={})
    publisher.close()
    asked: list[DrainedMessage] = []

    def keep(letter: DrainedMessage) -> None:
        asked.append(letter)
        if len(asked) < 3:
            raise DependencyDownError("database")

    drain = Drain(line.url, (queue,), keep)
    thread = threading.Thread(target=drain.run)
    thread.start()
    try:
        until(lambda: len(asked) == 3, 20, "the letter does not come again")
    finally:
        drain.stop.set()
        thread.join(10)
    assert line.connections == 1
    with closing(Depths(broker_url)) as depths:
        until(lambda: depths.measure(queue).dead == 0, 10, "the letter that was kept is not gone")
