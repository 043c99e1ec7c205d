"""`catalog reprocess`, as an operator runs it: each selected image once, after fresh uploads, however a run ends."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result

from catalog import use_cases
from catalog.adapters import operators_store
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.adapters.tables import reprocess_runs
from catalog.cli import main
from catalog.domain import Image
from catalog.runs import Run, Selection
from catalog.upkeep import reprocessing
from catalog.upkeep.pace import Pace
from catalog_steps import ANNA, BERT, Sent, Steps
from chassis.database.database import Database
from deadlines import until

CATALOG = Path(sys.executable).with_name("catalog")
UNBOUND = Pace(in_flight=1000, rate=1000)
FAST = ("--rate", "1000", "--in-flight", "1000")

Reprocess = Callable[..., Result]


@pytest.fixture
def database(catalog_database: Database[Store]) -> Database[OperatorsStore]:
    return Database(catalog_database.engine, OperatorsStore, catalog_database.migrations)


@pytest.fixture
def environment(any_database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_DATABASE_URL", any_database_url)


@pytest.fixture
def reprocess(environment: None, steps: Steps) -> Reprocess:  # noqa: ARG001
    return lambda *words: CliRunner().invoke(main, ["reprocess", *words])


@pytest.fixture
def start(environment: None, steps: Steps) -> Iterator[Callable[..., subprocess.Popen[str]]]:  # noqa: ARG001
    """A function that starts the real command; it is killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [str(CATALOG), "reprocess", *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def register(steps: Steps, count: int) -> list[Image]:
    """Register images and process them."""
    images = [steps.register(f"a/{number}") for number in range(count)]
    for image in images:
        steps.processed(image)
    return images


def generations(steps: Steps, images: list[Image]) -> list[int]:
    return [steps.image(image.s3_key).generation for image in images]


def renewed(sent: Sent) -> list[str]:
    """Return the ids of the images whose reprocessing was sent to imaging."""
    return [image_id for kind, image_id, _ in sent() if kind == "image.reprocess"]


def last_run(database: Database[OperatorsStore]) -> Run:
    with database.engine.connect() as connection:
        run_id = connection.scalar(sa.select(sa.func.max(reprocess_runs.c.run_id))) or 0
    run = database.read(OperatorsStore.run, run_id)
    assert run is not None
    return run


# --- which images ---


@pytest.fixture
def gallery(steps: Steps, catalog_database: Database[Store]) -> None:
    """Register images of two users in all states, some in a collection, one of an old recipe."""
    for key in ("new", "old", "failed", "pending"):
        image = steps.register(key)
        if key == "failed":
            steps.failed(image)
        elif key != "pending":
            steps.processed(image, recipe=2 if key == "new" else 1)
    steps.processed(steps.register("bert's", BERT))
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    for key in ("new", "failed"):
        catalog_database.transact(use_cases.put_member, ANNA, "c", key)


@pytest.mark.parametrize(
    ("words", "chosen"),
    [
        (("--key", "old"), {"old"}),
        (("--key", "old", "--key", "bert's"), {"old", "bert's"}),
        (("--collection", "c"), {"new", "failed"}),
        (("--owner", ANNA.user_id), {"new", "old", "failed", "pending"}),
        (("--state", "ready"), {"new", "old", "bert's"}),
        (("--state", "failed"), {"failed"}),
        (("--state", "pending"), {"pending"}),
        (("--recipe-older-than", "2"), {"old", "bert's"}),
        (("--recipe-older-than", "2", "--owner", BERT.user_id), {"bert's"}),
        (("--collection", "c", "--state", "ready", "--owner", ANNA.user_id), {"new"}),
        (("--key", "old", "--state", "failed"), set()),
        (("--all",), {"new", "old", "failed", "pending", "bert's"}),
    ],
)
@pytest.mark.parametrize("passed_at_once", [operators_store.STEP, 1])
def test_selections_narrow_each_other(
    gallery: None,  # noqa: ARG001
    steps: Steps,
    reprocess: Reprocess,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    chosen: set[str],
    passed_at_once: int,
) -> None:
    monkeypatch.setattr(operators_store, "STEP", passed_at_once)
    keys = ("new", "old", "failed", "pending", "bert's")
    before = {key: steps.image(key).generation for key in keys}
    done = reprocess(*words, *FAST)
    assert done.exit_code == 0
    assert {key for key in keys if steps.image(key).generation == before[key] + 1} == chosen
    assert (f"{len(chosen)} images queued" if chosen else "no image is selected") in done.output
    assert {steps.image(key).status for key in chosen} <= {"pending"}


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        ((), 2, "select images by"),
        (("--resume", "--all"), 2, "keeps the selection"),
        (("--key", "a/0", "--key", "typo"), 3, "No image has the key typo."),
        (("--collection", "nowhere"), 3, "There is no such collection."),
        (("--resume",), 3, "There is no unfinished run."),
        (("--resume", "7"), 3, "There is no run 7."),
    ],
)
def test_refusal_is_a_line_and_changes_nothing(
    steps: Steps, reprocess: Reprocess, words: tuple[str, ...], status: int, said: str
) -> None:
    images = register(steps, 1)
    refused = reprocess(*words)
    assert (refused.exit_code, said in refused.output) == (status, True)
    assert generations(steps, images) == [1]


def test_dry_run_says_how_many_and_how_long_and_changes_nothing(
    steps: Steps, reprocess: Reprocess, database: Database[OperatorsStore]
) -> None:
    images = register(steps, 3)
    assert "3 images, at least 0:00:06 at 0.5 a second" in reprocess("--all", "--dry-run", "--rate", "0.5").output
    assert generations(steps, images) == [1, 1, 1]
    assert database.read(OperatorsStore.newest_unfinished_run) is None


# --- how fast ---


def test_run_is_held_back_and_says_so_while_others_have_open_jobs(
    steps: Steps, database: Database[OperatorsStore]
) -> None:
    images = register(steps, 3)
    uploads = [steps.register(f"upload/{number}") for number in range(2)]
    run = database.transact(reprocessing.begin, Selection(keys=tuple(image.s3_key for image in images)))
    course = reprocessing.steps(database, run, Pace(in_flight=2, rate=1000))
    step = next(course)
    assert (step.run.done, step.held_back) == (0, "2 in flight")
    assert step.wait_s > 0
    steps.processed(uploads[0])
    step = next(course)
    assert (step.run.done, step.held_back) == (1, "")
    assert next(course).held_back
    steps.processed(uploads[1])
    assert next(course).run.done == 2
    assert sorted(generations(steps, images)) == [1, 2, 2]


def test_no_more_images_a_second_than_the_rate(steps: Steps, database: Database[OperatorsStore]) -> None:
    images = register(steps, 10)
    run = database.transact(reprocessing.begin, Selection())
    course = list(reprocessing.steps(database, run, Pace(in_flight=100, rate=4)))
    assert [(step.run.done, step.wait_s) for step in course] == [(4, 1), (8, 1), (10, 0.5)]
    assert generations(steps, images) == [2] * 10


def test_slow_rates_queue_one_image_at_a_time(steps: Steps, database: Database[OperatorsStore]) -> None:
    register(steps, 2)
    run = database.transact(reprocessing.begin, Selection())
    course = reprocessing.steps(database, run, Pace(in_flight=100, rate=0.1))
    assert [(step.run.done, step.wait_s) for step in course][:2] == [(1, 10), (2, 10)]


def test_database_that_is_away_holds_a_run_back(steps: Steps, database: Database[OperatorsStore]) -> None:
    register(steps, 1)
    run = database.transact(reprocessing.begin, Selection())
    away = sa.create_engine("postgresql+psycopg://nobody@127.0.0.1:9/catalog")
    step = next(reprocessing.steps(replace(database, engine=away), run, UNBOUND))
    assert "The database cannot be used" in step.held_back
    away.dispose()


# --- exactly once ---


def test_run_that_was_killed_goes_on_behind_the_last_image(
    steps: Steps,
    database: Database[OperatorsStore],
    sent: Sent,
    start: Callable[..., subprocess.Popen[str]],
    reprocess: Reprocess,
) -> None:
    images = register(steps, 60)
    process = start("--all", "--rate", "20", "--in-flight", "3")
    answered: set[str] = set()

    def answer() -> bool:
        """Answer for imaging, so that the run goes on; return once some images were queued."""
        for image_id in set(renewed(sent)) - answered:
            answered.add(image_id)
            image = next(image for image in images if image.image_id == image_id)
            steps.processed(steps.image(image.s3_key))
        return len(answered) > 5

    until(answer, 30, "the command queues images")
    process.send_signal(signal.SIGKILL)
    process.wait()
    cut_off = last_run(database)
    assert 5 < cut_off.done < 60
    assert cut_off.done == len(renewed(sent))
    gone = next(image for image in images if image.image_id not in renewed(sent))
    steps.delete(gone.s3_key)

    assert f"{60 - cut_off.done - 1} images" in reprocess("--resume", "--dry-run").output
    done = reprocess("--resume", *FAST)
    assert f"run {cut_off.run_id} of" in done.output
    assert "59 images queued; 1 are not selected any more" in done.output
    assert generations(steps, [image for image in images if image != gone]) == [2] * 59
    assert sorted(renewed(sent)) == sorted(image.image_id for image in images if image != gone)
    assert "is finished" in reprocess("--resume", str(cut_off.run_id)).output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_a_run_that_waits_and_says_how_to_go_on(
    steps: Steps,
    database: Database[OperatorsStore],
    start: Callable[..., subprocess.Popen[str]],
    number: signal.Signals,
) -> None:
    register(steps, 3)
    process = start("--all", "--in-flight", "1")
    until(lambda: steps.jobs("a/0") or last_done(database), 30, "the first is queued")
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    run = last_run(database)
    assert process.returncode == 1
    assert f"1 of 3 images queued; go on with: catalog reprocess --resume {run.run_id}" in said
    assert run.date_finished is None


def last_done(database: Database[OperatorsStore]) -> int:
    run = database.read(OperatorsStore.newest_unfinished_run)
    return 0 if run is None else run.done


def test_two_commands_on_one_run_queue_no_image_twice(
    steps: Steps, database: Database[OperatorsStore], sent: Sent
) -> None:
    images = register(steps, 60)
    run = database.transact(reprocessing.begin, Selection())
    with ThreadPoolExecutor(2) as pool:
        for course in [pool.submit(list, reprocessing.steps(database, run, Pace(1000, 3))) for _ in range(2)]:
            course.result()
    assert generations(steps, images) == [2] * 60
    assert len(renewed(sent)) == 60
    assert last_run(database).done == 60


def registered_again(steps: Steps) -> None:
    """The key has another image now, which was not selected."""
    steps.delete("again")
    steps.register("again", BERT)


def reprocessed(steps: Steps) -> None:
    """The image is no longer failed."""
    steps.reprocess("again")


@pytest.mark.parametrize("meanwhile", [registered_again, reprocessed])
def test_image_that_changed_before_its_key_was_locked_is_passed_over(
    steps: Steps,
    database: Database[OperatorsStore],
    monkeypatch: pytest.MonkeyPatch,
    meanwhile: Callable[[Steps], None],
) -> None:
    image = steps.register("again")
    steps.failed(image)
    run = database.transact(reprocessing.begin, Selection(status="failed"))
    lock_keys = Store.lock_keys
    changed: list[Image] = []

    def lock_later(store: Store, s3_keys: Sequence[str]) -> None:
        if database.engine.dialect.name == "postgresql":  # on SQLite there is one writer at a time
            monkeypatch.setattr(Store, "lock_keys", lock_keys)
            meanwhile(steps)
            changed.append(steps.image("again"))
        lock_keys(store, s3_keys)

    monkeypatch.setattr(Store, "lock_keys", lock_later)
    [step] = reprocessing.steps(database, run, UNBOUND)
    assert step.run.done == (0 if changed else 1)
    assert not changed or steps.image("again") == changed[0]
