"""`catalog takedown`, as an operator runs it: what is hidden, what is blocked, and that it all comes back."""

import json
import logging
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from catalog import use_cases
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.adapters.tables import audit_notes
from catalog.cli import main
from catalog.domain import Chosen, Image
from catalog.errors import ImageTakenDownError, KeyBlockedError
from catalog.runs import Selection
from catalog.upkeep import reprocessing
from catalog_steps import ANNA, BERT, Sent, Steps, page_of
from chassis import logs
from chassis.database.audit_notes import write
from chassis.database.database import Database

KEY = "a/b.jpg"
TakeDown = Callable[..., Result]


@pytest.fixture
def database(catalog_database: Database[Store]) -> Database[OperatorsStore]:
    return Database(catalog_database.engine, OperatorsStore, catalog_database.migrations)


@pytest.fixture
def take_down(any_database_url: str, steps: Steps, monkeypatch: pytest.MonkeyPatch) -> TakeDown:  # noqa: ARG001
    monkeypatch.setenv("CATALOG_DATABASE_URL", any_database_url)
    return lambda *words: CliRunner().invoke(main, ["takedown", *words])


def owners(steps: Steps, key: str = KEY) -> Image:
    return steps.database.read(use_cases.own_image, ANNA, key)


def test_image_is_hidden_and_its_owner_is_told_why(steps: Steps, take_down: TakeDown) -> None:
    steps.processed(steps.register())
    done = take_down(KEY, "--reason", "a complaint", "--json")
    assert done.exit_code == 0
    assert json.loads(done.output) == {"s3_key": KEY, "image": owners(steps).image_id, "taken_down": True}
    with pytest.raises(ImageTakenDownError):
        steps.image()
    assert steps.database.read(use_cases.public_images, [KEY]) == {}
    seen = owners(steps)
    assert (seen.status, seen.error and seen.error.code) == ("failed", "taken-down")
    assert seen.error is not None
    assert seen.error.detail.endswith(": a complaint")
    stats = steps.database.read(use_cases.stats, ANNA)
    assert (stats.ready, stats.failed, stats.formats) == (0, 1, ())


def test_thumbs_are_deleted_by_a_job_and_made_again_after_undo(steps: Steps, take_down: TakeDown, sent: Sent) -> None:
    steps.processed(steps.register())
    take_down(KEY, "--reason", "a complaint")
    hidden = owners(steps)
    assert sent()[-1] == ("image.deleted", hidden.image_id, hidden.generation)
    steps.thumbs_deleted(hidden)
    assert take_down(KEY, "--undo").exit_code == 0
    restored = steps.image()
    assert (restored.status, restored.error) == ("pending", None)
    assert sent()[-1] == ("image.reprocess", restored.image_id, restored.generation)
    steps.processed(restored)
    assert steps.image().status == "ready"
    steps.delete()
    steps.register()  # the key is free again


def test_key_is_blocked_for_everybody_also_when_its_image_is_deleted(steps: Steps, take_down: TakeDown) -> None:
    steps.processed(steps.register())
    take_down(KEY, "--reason", "a complaint")
    for caller in (ANNA, BERT):
        with pytest.raises(KeyBlockedError):
            steps.register(caller=caller)
    steps.delete()
    for bucket in ("pics", "elsewhere"):
        with pytest.raises(KeyBlockedError):
            steps.register(bucket=bucket)
    assert "is free again" in take_down(KEY, "--undo").output
    steps.register(bucket="elsewhere")


def test_key_without_an_image_can_be_blocked(steps: Steps, take_down: TakeDown) -> None:
    assert "has no image" in take_down(KEY, "--reason", "a complaint").output
    with pytest.raises(KeyBlockedError):
        steps.register()


def test_nothing_makes_thumbs_of_what_is_taken_down(
    steps: Steps, take_down: TakeDown, sent: Sent, database: Database[OperatorsStore]
) -> None:
    steps.processed(steps.register())
    take_down(KEY, "--reason", "a complaint")
    steps.thumbs_deleted(owners(steps))
    before = sent()
    with pytest.raises(KeyBlockedError):
        steps.reprocess()
    for selection in (Selection(), Selection(keys=(KEY,)), Selection(status="failed")):
        run = database.transact(reprocessing.begin, selection)
        assert (run.total, database.transact(reprocessing.queue_batch, run.run_id, 10).done) == (0, 0)
    assert sent() == before


def test_image_that_is_taken_down_after_it_was_selected_is_left_alone(
    steps: Steps, take_down: TakeDown, database: Database[OperatorsStore]
) -> None:
    steps.processed(steps.register())
    run = database.transact(reprocessing.begin, Selection())
    take_down(KEY, "--reason", "a complaint")
    assert database.transact(reprocessing.queue_batch, run.run_id, 10).done == 0


def test_owner_may_change_the_title_and_it_stays_hidden(steps: Steps, take_down: TakeDown) -> None:
    steps.processed(steps.register())
    take_down(KEY, "--reason", "a complaint")
    steps.database.transact(
        use_cases.change_image, ANNA, KEY, lambda _: None, title="new", description=None, reprocess=False
    )
    assert owners(steps).title == "new"
    assert owners(steps).is_taken_down


def test_public_collection_leaves_it_out_and_its_owner_sees_it(steps: Steps, take_down: TakeDown) -> None:
    keys = ["a.jpg", "b.jpg", "c.jpg"]
    steps.database.transact(use_cases.create_collection, ANNA, "trip")
    for key in keys:
        steps.processed(steps.register(key))
        steps.database.transact(use_cases.put_member, ANNA, "trip", key)
    read = steps.database.read
    before = read(use_cases.member_versions, read(use_cases.public_collection, "trip"), 9, (-1, 0), hides=True)
    take_down("b.jpg", "--reason", "a complaint")
    trip = read(use_cases.public_collection, "trip")
    shown = page_of(steps.database, use_cases.list_members, trip, 9, 10**6, (-1, 0), hides=True)
    assert [image.s3_key for _, image in shown] == ["a.jpg", "c.jpg"]
    newest = page_of(steps.database, use_cases.newest_members, trip, 9, 10**6, None)
    assert [image.s3_key for _, image in newest] == ["c.jpg", "a.jpg"]
    versions = read(use_cases.member_versions, trip, 9, (-1, 0), hides=True)
    assert [version.image_id for _, version in versions] == [before[0][1].image_id, before[2][1].image_id]
    beside = read(use_cases.public_member, trip, "a.jpg")
    assert (beside.previous, beside.next) == (None, "c.jpg")
    with pytest.raises(ImageTakenDownError):
        read(use_cases.public_member, trip, "b.jpg")
    own = page_of(steps.database, use_cases.list_members, trip, 9, 10**6, (-1, 0))
    assert [image.s3_key for _, image in own] == keys


def test_image_that_is_taken_down_is_no_cover(steps: Steps, take_down: TakeDown) -> None:
    steps.processed(steps.register())
    steps.database.transact(use_cases.create_collection, ANNA, "trip")
    steps.database.transact(use_cases.put_member, ANNA, "trip", KEY)
    steps.database.transact(
        use_cases.change_collection, ANNA, "trip", lambda *_: None,
        new_name=None, title=None, description=None, cover=Chosen(KEY),
    )  # fmt: skip
    take_down(KEY, "--reason", "a complaint")
    assert steps.database.read(use_cases.public_collection, "trip").cover is None
    take_down(KEY, "--undo")
    assert steps.database.read(use_cases.public_collection, "trip").cover == KEY


def test_what_cannot_be_is_refused(take_down: TakeDown) -> None:
    assert take_down(KEY).exit_code == 2
    assert take_down(KEY, "--reason", "x", "--undo").exit_code == 2
    assert take_down(KEY, "--reason", "  ").exit_code == 2
    assert take_down("a/../b", "--reason", "x").exit_code == 2
    assert take_down(KEY, "--undo").exit_code == 3


def test_audit_log_tells_who_has_taken_what_down_and_why(
    steps: Steps, take_down: TakeDown, database: Database[OperatorsStore], capsys: pytest.CaptureFixture[str]
) -> None:
    image = steps.register()
    take_down(KEY, "--reason", "a complaint")
    take_down(KEY, "--undo")
    take_down(KEY, "--undo")  # refused
    logs.configure("catalog", "error", "json")
    capsys.readouterr()
    write(database.engine, audit_notes)
    write(database.engine, audit_notes)
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    logging.getLogger("audit").handlers.clear()
    target = {"image": image.image_id, "s3_bucket": "pics", "s3_key": KEY}
    assert [(line["action"], line["actor"], line["target"]) for line in lines] == [
        ("image.take-down", "operator", {**target, "reason": "a complaint"}),
        ("image.restore", "operator", target),
    ]
    assert all(line["date"] and " at " in line["source"] for line in lines)
