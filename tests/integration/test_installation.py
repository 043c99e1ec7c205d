"""A copy of the database: nothing is deleted on its account until an operator has decided which installation it is."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pika
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

import catalog.bootstrap
import catalog.settings
from catalog.adapters.store import Store
from catalog.adapters.tables import outbox
from catalog.cli import main
from catalog.domain import Installation
from catalog.jobs import queues
from catalog.jobs.watchdog import Watchdog
from catalog.worker import may_relay
from catalog_steps import Steps
from chassis import health
from chassis.broker import topology
from chassis.broker.depths import Depths
from chassis.broker.publisher import Publisher
from chassis.broker.relay import Relay
from chassis.database.database import Database
from chassis.envelope import Event

Command = Callable[..., Result]


@pytest.fixture
def copied(catalog_database: Database[Store], steps: Steps, tmp_path: Path) -> Iterator[Database[Store]]:
    """A copy of the database of `steps` with two ready images, as if a dump had been restored beside the original."""
    for key in ("kept.jpg", "a/b.jpg"):
        steps.processed(steps.register(key))
    url = catalog_database.engine.url
    catalog_database.engine.dispose()
    if url.drivername == "sqlite":
        copy = url.set(database=str(tmp_path / "copy.db"))
        shutil.copy(str(url.database), str(copy.database))
        yield from opened(copy)
        return
    copy = url.set(database=f"copy_{uuid4().hex}")
    server = sa.create_engine(url.set(database="postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {copy.database} TEMPLATE {url.database}"))
    yield from opened(copy)
    with server.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE {copy.database} WITH (FORCE)"))


def opened(url: sa.URL) -> Iterator[Database[Store]]:
    text = url.render_as_string(hide_password=False)
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=text))
    yield database
    database.engine.dispose()


@pytest.fixture
def command(copied: Database[Store], monkeypatch: pytest.MonkeyPatch) -> Command:
    """A function that runs `catalog installation …` on the copy."""
    monkeypatch.setenv("CATALOG_DATABASE_URL", copied.engine.url.render_as_string(hide_password=False))
    return lambda *words: CliRunner().invoke(main, ["installation", *words])


@contextmanager
def bound_queue(broker_url: str, *types: str) -> Iterator[None]:
    """Bind a queue to messages of `types` during the block."""
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    channel = connection.channel()
    topology.declare_exchange(channel)
    name = channel.queue_declare("", exclusive=True).method.queue
    for message_type in types:
        channel.queue_bind(name, topology.EXCHANGE, message_type)
    yield
    connection.close()


def jobs_sent(database: Database[Store]) -> list[Event]:
    with database.engine.connect() as connection:
        bodies = connection.scalars(sa.select(outbox.c.body).order_by(outbox.c.date_created)).all()
    return [Event.decode(body) for body in bodies]


def installation(database: Database[Store]) -> Installation:
    return database.read(Store.installation)


def test_installation_has_one_id_from_the_first_migration_on(catalog_database: Database[Store]) -> None:
    first = installation(catalog_database)
    catalog_database.migrate()
    catalog_database.engine.dispose()
    assert installation(catalog_database) == first
    assert (first.is_settled, first.owns_unmarked) == (True, True)


def test_copy_knows_that_it_is_one_and_the_original_does_not_mind(
    copied: Database[Store], catalog_database: Database[Store]
) -> None:
    assert not installation(copied).is_settled
    assert installation(catalog_database).is_settled
    assert installation(copied).installation_id == installation(catalog_database).installation_id


def test_no_job_of_a_copy_leaves_neither_a_new_one_nor_one_that_was_due_when_it_was_made(
    copied: Database[Store], broker_url: str, command: Command
) -> None:
    copy = Steps(copied)
    copy.delete()
    copy.register("new.jpg")
    with closing(Publisher(broker_url, "test")) as publisher:
        relay = Relay(copied.engine, outbox, publisher, may_relay=may_relay)
        assert relay.relay_batch() == 0
        assert len(jobs_sent(copied)) == 4, "two of the original's, a deletion and a registration"
        command("continue")
        with bound_queue(broker_url, "image.created", "image.reprocess", "image.deleted"):
            assert relay.relay_batch() == len(jobs_sent(copied)) == 2


def test_what_was_due_when_the_copy_was_made_leaves_under_the_id_that_was_decided(
    copied: Database[Store], command: Command
) -> None:
    """A thumb of the copy with the original's id would be deleted by the original, and never by the copy."""
    copy = Steps(copied)
    copy.delete()
    copy.register("new.jpg")
    command("new", "--yes")
    here = installation(copied).installation_id
    assert {event.data["installation_id"] for event in jobs_sent(copied)} == {here}


def test_key_that_was_deleted_in_a_copy_can_be_registered_again_and_waits(
    copied: Database[Store], command: Command
) -> None:
    copy = Steps(copied)
    deleted = copy.image()
    copy.delete()
    again = copy.register()
    assert command("continue").exit_code == 0
    assert jobs_sent(copied)[-1].type == "image.deleted"
    copy.thumbs_deleted(deleted)
    copy.processed(copy.image())
    assert (copy.image().image_id, copy.image().status) == (again.image_id, "ready")


def test_continued_copy_is_the_same_installation_and_does_what_has_waited(
    copied: Database[Store], command: Command
) -> None:
    before = installation(copied)
    copy = Steps(copied)
    copy.delete()
    pending = copy.reprocess("kept.jpg")
    done = command("continue")
    assert (done.exit_code, "2 keys with open work are restarted" in done.output) == (0, True), done.output
    assert installation(copied) == Installation(before.installation_id, owns_unmarked=True, is_settled=True)
    deletion, renewed = sorted(jobs_sent(copied)[-2:], key=lambda event: event.type)
    assert deletion.type == "image.deleted"
    assert (renewed.data["image_id"], renewed.data["generation"]) == (pending.image_id, pending.generation + 1)


def test_backup_from_before_there_were_ids_can_go_on_as_the_installation_that_its_thumbs_tell(
    copied: Database[Store], command: Command
) -> None:
    told = "5f1d5e0a-8a53-4c8e-9f0b-3c2f6f8d7e21"
    assert command("continue", "--id", told).exit_code == 0
    assert installation(copied) == Installation(told, owns_unmarked=True)
    refused = command("continue", "--id", "no id")
    assert (refused.exit_code, installation(copied).installation_id) == (2, told)


def test_new_installation_has_its_own_id_and_owns_no_thumb_that_is_there(
    copied: Database[Store], command: Command, catalog_database: Database[Store]
) -> None:
    Steps(copied).delete()
    assert command("new").exit_code == 0, "nobody is asked about a copy"
    after = installation(copied)
    assert after.installation_id != installation(catalog_database).installation_id
    assert (after.owns_unmarked, after.is_settled) == (False, True)
    [deletion] = [event for event in jobs_sent(copied) if event.type == "image.deleted"]
    assert (deletion.data["installation_id"], deletion.data["owns_unmarked"]) == (after.installation_id, False)


def test_settled_installation_is_given_up_by_a_second_word_only_and_can_be_had_back(
    copied: Database[Store], command: Command
) -> None:
    command("continue")
    before = installation(copied)
    refused = command("new")
    assert (refused.exit_code, installation(copied)) == (1, before)
    given_up = command("new", "--yes")
    assert before.installation_id in given_up.output
    command("continue", "--id", before.installation_id)
    assert installation(copied) == before


def test_operator_is_told_what_can_be_done(command: Command) -> None:
    shown = command("show")
    assert "catalog installation continue" in shown.output
    assert "catalog installation new" in shown.output
    assert '"settled": false' in command("show", "--json").output
    command("continue")
    assert "continue" not in command("show").output


def test_health_tells_of_a_copy_and_lets_it_serve(copied: Database[Store], command: Command) -> None:
    def shown() -> tuple[bool, object]:
        ready, document = health.examine(*catalog.bootstrap.checks(copied))
        return ready, document.get("reasons")

    assert shown() == (True, {"installation": "restored into another database; see: catalog installation"})
    command("continue")
    assert shown() == (True, None)


def test_watchdog_of_a_copy_tells_it_once_and_restarts_nothing(
    copied: Database[Store], broker_url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Steps(copied).delete()
    with closing(Depths(broker_url)) as depths:
        watchdog = Watchdog(copied, depths, queues.ALL, timedelta(0))
        assert [watchdog.look(), watchdog.look()] == [0, 0]
    assert capsys.readouterr().out.count("this database was restored into another one") == 1
