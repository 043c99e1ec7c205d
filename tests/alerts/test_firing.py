"""Each alert fires on a running stack by the fault that it is meant for, and does not fire before.

Prometheus has the rules with windows that are twelve times shorter. The two alerts about RabbitMQ's own alarms are left
to promtool: the plugin that shows these is not in the stand-in of the broker.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pika
import pytest

from catalog.jobs.queues import JOBS
from deadlines import until
from lines import Line
from metrics_matrix import PROCESSES
from pictures import photo
from prometheus import Server, alerts, prometheus, scrape
from s3_front import Front, fronted
from web_stack import BUCKET, WebStack
from whole_stack import Whole, running

TIMES_FASTER = 12
OF_RABBITMQ = {"BrokerHasNoDisk", "BrokerHasNoMemory"}
# What users notice follows from causes, and its windows are long: after the first fault it may still fire.
SYMPTOMS = {"RequestsFail", "RequestsFailSlowly", "ImagesAreLate", "ImagesAreLateSlowly", "ImagesAreStuck"}
DEADLINE_S = 150
IMAGES = 500


@dataclass
class Scene:
    """A stack, its broker behind `line` and its S3 behind `front`, and the Prometheus with its files in `folder`."""

    stack: Whole
    server: Server
    folder: Path
    line: Line
    front: type[Front]
    numbers: Iterator[int] = field(default_factory=count)

    def post(self) -> int:
        """Register another image; return the status of the answer."""
        return self.stack.web.anna().post("/api/images", json={"s3_key": f"{next(self.numbers)}.jpg"}).status

    def read(self) -> int:
        """List images; return the status of the answer."""
        return self.stack.web.anna().get("/api/images").status


@pytest.fixture(scope="module")
def scene(
    prepared_web_stack: Path, tmp_path_factory: pytest.TempPathFactory, broker_url: str, moto_s3: str
) -> Iterator[Scene]:
    line = Line(broker_url)
    with (
        WebStack.copied(prepared_web_stack, tmp_path_factory.mktemp("whole")) as web,
        fronted(moto_s3) as (s3_url, front),
        running(web, line.url, s3_url) as stack,
    ):
        for number in range(IMAGES):
            stack.s3.put_object(Bucket=BUCKET, Key=f"{number}.jpg", Body=photo(100, 80))
        folder = tmp_path_factory.mktemp("prometheus")
        with prometheus(folder, stack.ops, TIMES_FASTER) as server:
            until(lambda: server.up() == set(PROCESSES), 30, "not all processes are scraped")
            yield Scene(stack, server, folder, line, front)
    line.close()


# --- the faults, each for the time of a block; what is yielded is done once a second meanwhile ---


def nothing(scene: Scene) -> None:
    """Do nothing to `scene`."""


def post(scene: Scene) -> None:
    scene.post()


def read(scene: Scene) -> None:
    scene.read()


@contextmanager
def poison(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """A message that nobody can read comes into the queue of jobs."""
    with pika.BlockingConnection(pika.URLParameters(scene.stack.broker_url)) as broker:
        broker.channel().basic_publish("", JOBS.name, b"poison")
    yield nothing
    scene.stack.web.run("catalog", "dead-letters", "drop", "--all", "--yes")


@contextmanager
def s3_refuses(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """The key of imaging was deleted at S3."""
    scene.front.refuses = "InvalidAccessKeyId"
    yield post
    scene.front.refuses = None


@contextmanager
def s3_is_away(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """S3 hangs up on every request."""
    upstream, scene.front.upstream = scene.front.upstream, "127.0.0.1:9"
    yield post
    scene.front.upstream = upstream


@contextmanager
def database_is_locked(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """Catalog can write nothing into its database."""
    database = sqlite3.connect(scene.stack.web.folder / "catalog.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    scene.post()
    yield nothing
    database.execute("ROLLBACK")
    database.close()


@contextmanager
def broker_is_away(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """No process reaches the broker."""
    scene.line.go_away()
    scene.post()
    yield nothing
    scene.line.come_back()


@contextmanager
def imaging_is_stopped(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """Imaging has ended, while images are registered."""
    scene.stack.stop_imaging()
    for _ in range(8):
        assert scene.post() == 201
    yield nothing
    scene.stack.start_imaging()


@contextmanager
def imaging_comes_late(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """Images that are registered wait for more than a minute until there is an imaging."""
    scene.stack.stop_imaging()
    for _ in range(8):
        assert scene.post() == 201
    time.sleep(65)  # the objective itself, which has no faster copy
    scene.stack.start_imaging()
    until(lambda: not scene.server.firing() - SYMPTOMS, 60, "imaging works, and alerts about it fire still")
    yield nothing


@contextmanager
def imaging_is_not_found(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """Prometheus finds no address of imaging."""
    scrape(scene.folder, {name: port for name, port in scene.stack.ops.items() if name != "imaging"})
    yield nothing
    scrape(scene.folder, scene.stack.ops)


@contextmanager
def auth_is_ahead(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """The clock of the machine of auth is three minutes ahead."""
    ops = {"OPS_HOST": "127.0.0.1", "OPS_PORT": str(scene.stack.ops["auth"])}
    scene.stack.web.start("auth", 180, **ops)
    yield read
    scene.stack.web.start("auth", 0, **ops)


@contextmanager
def catalog_is_killed(scene: Scene) -> Iterator[Callable[[Scene], None]]:
    """Catalog is killed, and not started again."""
    scene.stack.web.stop("catalog")
    yield read
    ops = {"OPS_HOST": "127.0.0.1", "OPS_PORT": str(scene.stack.ops["catalog"])}
    scene.stack.web.start("catalog", 0, **ops)


FAULTS: dict[Callable[[Scene], AbstractContextManager[Callable[[Scene], None]]], set[str]] = {
    catalog_is_killed: {"ProcessIsDown", "RequestsFail", "RequestsFailSlowly"},  # first: others fail requests, too
    poison: {"DeadLetters"},
    s3_refuses: {"S3RefusesBucket"},
    s3_is_away: {"S3Fails"},
    database_is_locked: {"DatabaseIsAway"},
    broker_is_away: {"OutboxIsOld", "NoConsumer", "WatchdogIsBlind"},
    imaging_is_stopped: {"ProcessIsDown", "NoConsumer", "ImagesAreStuck"},
    imaging_comes_late: {"ImagesAreLate", "ImagesAreLateSlowly"},  # and others until it comes
    imaging_is_not_found: {"ProcessIsMissing"},
    auth_is_ahead: {"ClocksAreApart"},
}


def test_every_alert_has_its_fault() -> None:
    assert set().union(*FAULTS.values()) | OF_RABBITMQ == {alert["alert"] for alert in alerts()}


def test_no_alert_fires_without_a_fault(scene: Scene) -> None:
    ends = time.monotonic() + 45  # longer than each wait, and than two looks of the watchdog
    while time.monotonic() < ends:
        assert scene.post() == 201
        assert scene.read() == 200
        assert scene.server.firing() == set()
        time.sleep(1)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_alert_fires_by_its_fault_and_ends_after_it(
    scene: Scene,
    fault: Callable[[Scene], AbstractContextManager[Callable[[Scene], None]]],
    rows: list[dict[str, str | float]],
) -> None:
    expected = FAULTS[fault]
    until(lambda: not scene.server.firing() - SYMPTOMS, 120, "alerts of an earlier fault fire")
    assert not scene.server.firing() & expected
    began, missing = time.monotonic(), set(expected)
    with fault(scene) as meanwhile:
        while missing:
            for name in missing & scene.server.firing():
                rows.append({"alert": name, "fault": fault.__name__, "seconds": round(time.monotonic() - began)})
                missing.remove(name)
            assert time.monotonic() < began + DEADLINE_S, f"{missing} do not fire, but {scene.server.firing()}"
            assert scene.server.firing() <= expected | SYMPTOMS
            meanwhile(scene)
            time.sleep(1)
    until(lambda: not scene.server.firing() - SYMPTOMS, 120, "alerts fire still")
