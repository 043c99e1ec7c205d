"""`catalog sweep-uploads`: what was uploaded and never registered is shown, deleted if asked, and nothing else is."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from catalog import use_cases
from catalog.adapters import thumbs
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.tables import installation, upload_prefixes
from catalog.cli import main
from catalog.keys import thumb_key
from catalog.upkeep import sweeping
from catalog.upkeep.findings import Outcome
from catalog.upkeep.sweeping import Uploads
from catalog_steps import ANNA, Steps
from chassis.clock import now
from chassis.database.database import Database
from reconcile_steps import ignored, keys, settings_for
from s3 import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Sweep = Callable[..., Result]
SOON = now() + timedelta(hours=1)


@pytest.fixture
def sweep(any_database_url: str, s3_endpoint: str, s3: "S3Client", monkeypatch: pytest.MonkeyPatch) -> Sweep:  # noqa: ARG001
    monkeypatch.setenv("CATALOG_DATABASE_URL", any_database_url)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    return lambda *words: CliRunner().invoke(main, ["sweep-uploads", "--bucket", BUCKET, *words])


@pytest.fixture
def prefix(steps: Steps) -> str:
    """A prefix that anna got two days ago."""
    found = steps.database.transact(use_cases.hand_out_prefix, ANNA)
    make_older(steps, timedelta(days=2))
    return found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command take what is just uploaded for old: the clock of S3 cannot be set."""
    monkeypatch.setattr("catalog.upkeep.sweeping_command.now", lambda: SOON + timedelta(days=1))


def make_older(steps: Steps, by: timedelta) -> None:
    with steps.database.engine.begin() as connection:
        connection.execute(upload_prefixes.update().values(date_created=now() - by))


def put(s3: "S3Client", key: str) -> str:
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"a picture")
    return key


def register(steps: Steps, key: str) -> None:
    steps.register(key, bucket=BUCKET)


def test_what_is_not_registered_is_shown_and_then_deleted_and_nothing_else(
    sweep: Sweep,
    steps: Steps,
    s3: "S3Client",
    prefix: str,
    at_once: None,  # noqa: ARG001
) -> None:
    register(steps, put(s3, f"{prefix}/mine.jpg"))
    put(s3, thumb_key(f"{prefix}/mine.jpg", 64))
    put(s3, "old/other.jpg")
    kept = keys(s3)
    lost = [put(s3, f"{prefix}/{name}") for name in ("a b.jpg", "é.jpg", "x/y.png")]
    shown = sweep()
    assert (shown.exit_code, keys(s3)) == (1, kept | set(lost))
    assert "3 unregistered uploads of 27 bytes under 1 prefixes\n" in shown.output
    assert all(f"found             9 bytes  {key!r}" in shown.output for key in lost)
    deleted = sweep("--delete")
    assert (deleted.exit_code, keys(s3)) == (0, kept)
    assert "under 1 prefixes: 3 deleted\n" in deleted.output
    assert sweep("--delete").exit_code == 0


def test_what_is_younger_than_the_grace_is_kept(sweep: Sweep, steps: Steps, s3: "S3Client", prefix: str) -> None:
    """A prefix of two days ago may have got its upload just now; one of an hour ago is not looked at."""
    young = put(s3, f"{prefix}/a.jpg")
    done = sweep("--delete", "--json")
    assert (done.exit_code, keys(s3)) == (1, {young})
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"s3_key": young, "bytes": 9, "outcome": "kept"},
        {"prefixes": 1, "found": 1, "bytes": 9, "deleted": 0, "gone or registered by then": 0, "kept": 1},
    ]
    make_older(steps, timedelta(hours=1))
    assert "under 0 prefixes" in sweep("--delete").output
    assert sweep("--grace", "59m").exit_code == 2


def test_what_has_thumbs_was_registered_once_and_is_kept(
    sweep: Sweep,
    s3: "S3Client",
    prefix: str,
    at_once: None,  # noqa: ARG001
) -> None:
    image = put(s3, f"{prefix}/a.jpg")
    thumb = put(s3, thumb_key(image, 64))
    put(s3, f"{prefix}/b.jpg")
    assert sweep("--delete").exit_code == 1
    assert keys(s3) == {image, thumb}


def test_nothing_is_deleted_while_the_database_may_be_a_copy(
    sweep: Sweep,
    steps: Steps,
    s3: "S3Client",
    prefix: str,
    at_once: None,  # noqa: ARG001
) -> None:
    upload = put(s3, f"{prefix}/a.jpg")
    with steps.database.engine.begin() as connection:
        connection.execute(installation.update().values(fingerprint="another database"))
    assert sweep("--delete").exit_code == 2
    assert sweep().exit_code == 1
    assert keys(s3) == {upload}


def test_what_is_registered_or_gone_or_forgotten_by_then_is_left_alone(
    steps: Steps, s3_endpoint: str, s3: "S3Client", prefix: str
) -> None:
    database = Database(steps.database.engine, OperatorsStore, steps.database.migrations)
    a, b, c = (put(s3, f"{prefix}/{name}.jpg") for name in "abc")
    with thumbs.connect(settings_for(s3_endpoint), ignored) as storage:
        uploads = Uploads(database, storage, BUCKET)
        found = [upload.key for batch in sweeping.find(uploads, now()) for upload in batch.unregistered]
        assert found == [a, b, c]
        register(steps, a)
        s3.delete_object(Bucket=BUCKET, Key=b)
        assert database.transact(sweeping.delete, uploads, a, SOON) == Outcome.ALREADY_FINE
        assert database.transact(sweeping.delete, uploads, b, SOON) == Outcome.ALREADY_FINE
        with steps.database.engine.begin() as connection:
            connection.execute(upload_prefixes.delete())
        assert database.transact(sweeping.delete, uploads, c, SOON) == Outcome.SKIPPED
    assert keys(s3) == {a, c}


def test_uploads_under_many_prefixes_are_found_in_their_order(
    sweep: Sweep, steps: Steps, s3: "S3Client", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeping, "PAGE", 2)
    uploads = [put(s3, f"{steps.database.transact(use_cases.hand_out_prefix, ANNA)}/a.jpg") for _ in range(7)]
    make_older(steps, timedelta(days=2))  # all at the same moment
    done = sweep("--json")
    shown = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(each["s3_key"] for each in shown[:-1]) == sorted(uploads)
    assert shown[-1]["prefixes"] == 7
