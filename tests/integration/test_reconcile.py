"""`catalog reconcile` on both databases and a real S3 API: what it finds, what it mends, and what it never touches."""

import json
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from catalog import use_cases
from catalog.adapters import thumbs
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.store import Store
from catalog.adapters.tables import installation, jobs
from catalog.cli import main
from catalog.domain import Image
from catalog.keys import thumb_key
from catalog.settings import ReconcileSettings
from catalog.stored_thumbs import StoredThumb
from catalog.upkeep import reconciliation
from catalog.upkeep.findings import Finding, MissingThumbs, OrphanThumb, Outcome, Page, Stuck
from catalog.upkeep.reconciliation import Comparison
from catalog_steps import ANNA, BERT, BUCKETS, Sent, Steps
from chassis.clock import now
from chassis.database.database import Database
from chassis.s3.conditions import KeptConditions
from s3 import BUCKET, serving
from s3_front import MANNERS, fronted

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

KEY = "a/b.jpg"
INSTALLATION = "5f1d5e0a-8a53-4c8e-9f0b-3c2f6f8d7e21"
SQUARES = (64, 128)  # those of catalog_steps.picture
LONG_AGO, SOON = now() - timedelta(hours=1), now() + timedelta(hours=1)

Reconcile = Callable[..., Result]


def ignored(_bucket: str, _kept: KeptConditions) -> None:
    """Hear what S3 does with conditions."""


def settings_for(url: str) -> ReconcileSettings:
    return ReconcileSettings(
        database_url="sqlite:///unused.db",
        reconcile_s3_endpoint_url=url,
        reconcile_s3_access_key_id="test",
        reconcile_s3_secret_access_key="test",
    )


@pytest.fixture(autouse=True)
def known_installation(request: pytest.FixtureRequest) -> None:
    """Give the database of a test an id that is known before."""
    if "any_database_url" in request.fixturenames:
        database: Database[Store] = request.getfixturevalue("catalog_database")
        with database.engine.begin() as connection:
            connection.execute(installation.update().values(installation_id=INSTALLATION))


@pytest.fixture
def comparison(catalog_database: Database[Store], s3_endpoint: str, s3: "S3Client") -> Iterator[Comparison]:  # noqa: ARG001
    database = Database(catalog_database.engine, OperatorsStore, catalog_database.migrations)
    with thumbs.connect(settings_for(s3_endpoint), ignored) as storage:
        yield Comparison(database, storage, BUCKET)


@pytest.fixture
def reconcile(
    any_database_url: str,
    s3_endpoint: str,
    s3: "S3Client",  # noqa: ARG001
    steps: Steps,  # noqa: ARG001
    monkeypatch: pytest.MonkeyPatch,
) -> Reconcile:
    monkeypatch.setenv("CATALOG_DATABASE_URL", any_database_url)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("CATALOG_RECONCILE_S3_SECRET_ACCESS_KEY", "test")
    return lambda *words: CliRunner().invoke(main, ["reconcile", "--bucket", BUCKET, *words])


def put_thumb(
    s3: "S3Client",
    image: Image,
    square: int,
    body: bytes = b"thumb",
    *,
    by: str | None = INSTALLATION,
    generation: int | None = None,
    etag: str = "etag",
) -> str:
    """Write a thumb as imaging does for the installation BY, None for one that says nothing of it; give its key."""
    key = thumb_key(image.s3_key, square)
    metadata = {
        "imghost-image-id": image.image_id,
        "imghost-generation": str(generation or image.generation),
        "imghost-etag": etag,
    }
    if by is not None:
        metadata["imghost-installation"] = by
    s3.put_object(Bucket=BUCKET, Key=key, Body=body, Metadata=metadata)
    return key


def ready_image(steps: Steps, s3: "S3Client", key: str = KEY) -> Image:
    """Register an image that is ready, with its original and all thumbs."""
    image = steps.register(key)
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"original")
    for square in SQUARES:
        put_thumb(s3, image, square)
    steps.processed(image)
    return steps.image(key)


def gone_image(steps: Steps, s3: "S3Client", key: str = KEY) -> Image:
    """Register an image and delete it; one thumb has stayed behind."""
    image = steps.register(key)
    steps.processed(image)
    steps.delete(key)
    steps.thumbs_deleted(image)
    put_thumb(s3, image, 64)
    return image


def keys(s3: "S3Client") -> set[str]:
    return {found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])}


def findings(pages: Iterator[Page]) -> list[Finding]:
    return [finding for page in pages for finding in page.findings]


def found_anywhere(comparison: Comparison) -> list[Finding]:
    return [
        *findings(reconciliation.find_stuck(comparison, LONG_AGO)),
        *findings(reconciliation.find_in_images(comparison)),
        *findings(reconciliation.find_in_bucket(comparison)),
    ]


def sent_long_ago(comparison: Comparison, *, column: str = "date_sent") -> None:
    """Make all open jobs such that were sent two hours ago."""
    with comparison.database.engine.begin() as connection:
        connection.execute(jobs.update().values({column: now() - timedelta(hours=2)}))


# --- nothing wrong ---


def test_nothing_is_found_where_nothing_is_wrong(steps: Steps, s3: "S3Client", reconcile: Reconcile) -> None:
    ready_image(steps, s3)
    steps.failed(steps.register("failed.jpg"))
    steps.register("pending.jpg")
    s3.put_object(Bucket=BUCKET, Key="x/t64/somebody's.jpg", Body=b"no metadata of ours")
    before = keys(s3)
    done = reconcile("--repair", "--delete", "--grace", "0s")
    assert (done.exit_code, keys(s3)) == (0, before)
    assert done.output.startswith("0 keys stuck\n0 images with missing thumbs\n")
    assert done.output.endswith("0 orphan thumbs\n")


# --- missing thumbs ---


def test_image_whose_thumb_is_missing_is_found_and_processed_again(
    steps: Steps, s3: "S3Client", reconcile: Reconcile, sent: Sent
) -> None:
    image = ready_image(steps, s3)
    ready_image(steps, s3, "other.jpg")
    s3.delete_object(Bucket=BUCKET, Key=thumb_key(KEY, 128))
    found = reconcile()
    assert (found.exit_code, steps.image()) == (1, image)
    assert f"1 images with missing thumbs\n  {KEY}\n" in found.output
    mended = reconcile("--repair")
    assert mended.exit_code == 0
    assert "1 images with missing thumbs: 1 queued again" in mended.output
    assert (steps.image().status, steps.image().generation) == ("pending", 2)
    assert sent()[-1] == ("image.reprocess", image.image_id, 2)
    assert reconcile().exit_code == 0


@pytest.mark.parametrize("metadata", [{}, {"imghost-image-id": "another"}], ids=["somebody's", "another image's"])
def test_thumb_that_is_not_the_images_own_is_missing(
    steps: Steps, s3: "S3Client", comparison: Comparison, metadata: dict[str, str]
) -> None:
    image = ready_image(steps, s3)
    s3.put_object(Bucket=BUCKET, Key=thumb_key(KEY, 64), Body=b"other", Metadata=metadata)
    orphans = [OrphanThumb(thumb_key(KEY, 64), is_marked=False)] if metadata else []
    assert found_anywhere(comparison) == [MissingThumbs(KEY, image.image_id, 1), *orphans]


def test_image_that_is_whole_again_or_another_by_then_is_left(
    steps: Steps, s3: "S3Client", comparison: Comparison
) -> None:
    image = ready_image(steps, s3)
    s3.delete_object(Bucket=BUCKET, Key=thumb_key(KEY, 64))
    [finding] = findings(reconciliation.find_in_images(comparison))
    assert isinstance(finding, MissingThumbs)
    put_thumb(s3, image, 64)
    assert comparison.database.transact(reconciliation.mend_thumbs, comparison, finding) == Outcome.ALREADY_FINE
    s3.delete_object(Bucket=BUCKET, Key=thumb_key(KEY, 64))
    steps.reprocess()
    assert comparison.database.transact(reconciliation.mend_thumbs, comparison, finding) == Outcome.ALREADY_FINE
    assert steps.image().generation == 2
    steps.delete()
    assert comparison.database.transact(reconciliation.mend_thumbs, comparison, finding) == Outcome.ALREADY_FINE


def test_image_that_is_deleted_while_its_thumbs_are_looked_at_lacks_none(
    steps: Steps, s3: "S3Client", comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = ready_image(steps, s3)
    look_all = thumbs.Thumbs.look_all

    def look_later(storage: thumbs.Thumbs, bucket: str, keys: Sequence[str]) -> Sequence[StoredThumb]:
        monkeypatch.setattr(thumbs.Thumbs, "look_all", look_all)
        steps.delete()
        for square in SQUARES:
            s3.delete_object(Bucket=BUCKET, Key=thumb_key(image.s3_key, square))
        return look_all(storage, bucket, keys)

    monkeypatch.setattr(thumbs.Thumbs, "look_all", look_later)
    assert findings(reconciliation.find_in_images(comparison)) == []


def test_images_are_gone_through_a_page_at_a_time(
    steps: Steps, s3: "S3Client", comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "PAGE", 2)
    images = [ready_image(steps, s3, f"a/{number}") for number in range(5)]
    for image in images:
        s3.delete_object(Bucket=BUCKET, Key=thumb_key(image.s3_key, 128))
    pages = list(reconciliation.find_in_images(comparison))
    assert [page.looked_at for page in pages] == [2, 2, 1]
    assert {finding.key for page in pages for finding in page.findings} == {image.s3_key for image in images}


# --- orphan thumbs ---


def of_no_image(steps: Steps, s3: "S3Client") -> str:
    return thumb_key(gone_image(steps, s3).s3_key, 64)


def of_an_image_before(steps: Steps, s3: "S3Client") -> str:
    before = gone_image(steps, s3)
    ready_image(steps, s3)
    return put_thumb(s3, before, 512)


def of_a_failed_image(steps: Steps, s3: "S3Client") -> str:
    image = steps.register()
    steps.failed(image)
    return put_thumb(s3, image, 64)


def of_another_square(steps: Steps, s3: "S3Client") -> str:
    return put_thumb(s3, ready_image(steps, s3), 1024)


def of_an_image_in_another_bucket(steps: Steps, s3: "S3Client") -> str:
    image = steps.register(bucket="elsewhere")
    steps.processed(image)
    return put_thumb(s3, image, 64)


@pytest.mark.parametrize(
    "make", [of_no_image, of_an_image_before, of_a_failed_image, of_another_square, of_an_image_in_another_bucket]
)
def test_orphan_is_found_and_deleted_and_nothing_else(
    steps: Steps, s3: "S3Client", reconcile: Reconcile, make: Callable[[Steps, "S3Client"], str]
) -> None:
    ready_image(steps, s3, "other.jpg")
    s3.put_object(Bucket=BUCKET, Key="x/t64/somebody's.jpg", Body=b"no metadata of ours")
    s3.put_object(Bucket=BUCKET, Key="x/t64", Body=b"no thumb's key", Metadata={"imghost-image-id": "x"})
    orphan = make(steps, s3)
    before = keys(s3)
    found = reconcile()
    assert (found.exit_code, keys(s3)) == (1, before)
    assert f"1 orphan thumbs\n  {orphan}\n" in found.output
    young = reconcile("--delete")
    assert (young.exit_code, keys(s3)) == (1, before)
    assert "1 orphan thumbs: 1 skipped for now" in young.output
    deleted = reconcile("--delete", "--grace", "0s")
    assert (deleted.exit_code, keys(s3)) == (0, before - {orphan})
    assert "1 orphan thumbs: 1 deleted" in deleted.output


def test_thumb_is_of_no_concern_while_imaging_may_write_or_delete_it(
    steps: Steps, s3: "S3Client", comparison: Comparison
) -> None:
    pending = steps.register("pending.jpg")
    put_thumb(s3, pending, 64)
    deleted = ready_image(steps, s3, "deleted.jpg")
    steps.delete("deleted.jpg")
    assert keys(s3) > {thumb_key(deleted.s3_key, 64)}
    assert found_anywhere(comparison) == []
    with comparison.database.engine.begin() as connection:
        connection.execute(jobs.delete().where(jobs.c.s3_key == pending.s3_key))
    assert found_anywhere(comparison) == [Stuck(pending.s3_key)]


def registered_again(steps: Steps, _s3: "S3Client") -> None:
    steps.register()


def registered_and_ready_again(steps: Steps, s3: "S3Client") -> None:
    """The thumbs have the bytes that they had before, and so the ETag."""
    ready_image(steps, s3)


def taken_away(_steps: Steps, s3: "S3Client") -> None:
    s3.delete_object(Bucket=BUCKET, Key=thumb_key(KEY, 64))


def overwritten_by_somebody(_steps: Steps, s3: "S3Client") -> None:
    s3.put_object(Bucket=BUCKET, Key=thumb_key(KEY, 64), Body=b"thumb")


@pytest.mark.parametrize(
    "meanwhile", [registered_again, registered_and_ready_again, taken_away, overwritten_by_somebody]
)
def test_thumb_that_is_no_orphan_any_more_when_it_would_be_deleted_is_kept(
    steps: Steps, s3: "S3Client", comparison: Comparison, meanwhile: Callable[[Steps, "S3Client"], None]
) -> None:
    gone_image(steps, s3)
    [finding] = findings(reconciliation.find_in_bucket(comparison))
    assert isinstance(finding, OrphanThumb)
    meanwhile(steps, s3)
    before = keys(s3)
    assert (
        comparison.database.transact(reconciliation.delete_thumb, comparison, finding, SOON, unmarked=False)
        == Outcome.ALREADY_FINE
    )
    assert keys(s3) == before


def test_registration_under_way_keeps_its_thumbs(steps: Steps, s3: "S3Client", comparison: Comparison) -> None:
    """The deletion waits for whoever holds the key, and sees what they have done."""
    gone_image(steps, s3)
    [finding] = findings(reconciliation.find_in_bucket(comparison))
    assert isinstance(finding, OrphanThumb)
    with ThreadPoolExecutor(1) as pool:

        def register(store: OperatorsStore) -> Future[Outcome]:
            store.lock_key(KEY)
            deletion = pool.submit(
                comparison.database.transact, reconciliation.delete_thumb, comparison, finding, SOON, unmarked=False
            )
            use_cases.register_image(store, ANNA, BUCKETS, s3_bucket=BUCKET, s3_key=KEY, title="", description="")
            return deletion

        deletion = comparison.database.transact(register)
        assert deletion.result() == Outcome.ALREADY_FINE
    assert keys(s3) == {thumb_key(KEY, 64)}


def test_thumb_that_was_written_anew_after_the_last_look_is_kept(
    s3: "S3Client", steps: Steps, comparison: Comparison
) -> None:
    image = gone_image(steps, s3)
    found = comparison.thumbs.look(BUCKET, thumb_key(KEY, 64))
    assert found is not None
    put_thumb(s3, image, 64, b"anew")
    assert not comparison.thumbs.delete(BUCKET, found.key, found.etag)
    assert keys(s3) == {found.key}


def test_listing_goes_on_behind_the_first_page_and_takes_odd_keys(s3: "S3Client", s3_endpoint: str) -> None:
    odd = {"a b/t64/ä+%2F?#.jpg", "t64/\x01", "t64/🏔", "/t64//x", "t064/x", "t64/t128/x", "t99999999999/x"}
    written = odd | {f"many/{number}" for number in range(1000)}
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: s3.put_object(Bucket=BUCKET, Key=key, Body=b""), written))
    with thumbs.connect(settings_for(s3_endpoint), ignored) as storage:
        pages = list(storage.list_keys(BUCKET))
        assert {found.key for found in storage.look_all(BUCKET, sorted(odd))} == odd
    assert [len(page) for page in pages] == [1000, 7]
    assert {key for page in pages for key in page} == written


# --- other installations ---


def test_thumbs_of_another_installation_are_counted_and_left_alone(
    steps: Steps, s3: "S3Client", reconcile: Reconcile
) -> None:
    ready_image(steps, s3, "other.jpg")
    theirs = put_thumb(s3, gone_image(steps, s3), 64, by="of another kind")
    found = reconcile("--delete", "--grace", "0s")
    assert (found.exit_code, theirs in keys(s3)) == (0, True)
    assert found.output.endswith("1 thumbs of another installation, of another kind, which are left alone\n")
    [*_, counts] = [json.loads(line) for line in reconcile("--json").output.splitlines()]
    assert counts["thumbs_of_other_installations"] == {"of another kind": 1}


def test_thumb_that_does_not_say_whose_it_is_is_deleted_by_force_only(
    steps: Steps, s3: "S3Client", reconcile: Reconcile
) -> None:
    ready_image(steps, s3, "other.jpg")
    unmarked = put_thumb(s3, gone_image(steps, s3), 64, by=None)
    kept = reconcile("--delete", "--grace", "0s")
    assert (kept.exit_code, unmarked in keys(s3)) == (1, True)
    assert "1 orphan thumbs: 1 skipped for now" in kept.output
    assert reconcile("--delete", "--grace", "0s", "--force").exit_code == 0
    assert unmarked not in keys(s3)


def test_second_installation_on_a_bucket_takes_none_of_the_thumbs_of_the_first(
    steps: Steps, s3: "S3Client", comparison: Comparison, reconcile: Reconcile
) -> None:
    """A database that knows few of the images: by its word nearly every thumb there would be of nothing."""
    ready_image(steps, s3, "own.jpg")
    for number in range(12):
        gone_image(steps, s3, f"theirs/{number}")
    before = keys(s3)
    refused = reconcile("--delete", "--grace", "0s")
    assert (refused.exit_code, keys(s3)) == (2, before)
    assert "this would delete 12 of 14 thumbs" in refused.output
    with comparison.database.engine.begin() as connection:
        connection.execute(installation.update().values(installation_id="another", owns_unmarked=False))
    assert reconcile("--delete", "--grace", "0s", "--force").exit_code == 0
    assert keys(s3) == before


def test_thumbs_at_keys_that_images_show_count_as_well_before_most_are_deleted(
    steps: Steps, s3: "S3Client", reconcile: Reconcile
) -> None:
    """Keys that were registered again after the backup: each has thumbs of an image that the catalog does not know."""
    for number in range(6):
        image = ready_image(steps, s3, f"again/{number}")
        for square in SQUARES:
            put_thumb(s3, replace(image, image_id=f"registered later {number}"), square)
    before = keys(s3)
    refused = reconcile("--delete", "--grace", "0s")
    assert (refused.exit_code, keys(s3)) == (2, before)
    assert "this would delete 12 of 12 thumbs" in refused.output


def test_image_whose_key_another_installation_took_over_is_not_made_to_fail(
    steps: Steps, s3: "S3Client", reconcile: Reconcile
) -> None:
    image = ready_image(steps, s3)
    put_thumb(s3, replace(image, image_id="theirs"), 64, by="another")
    done = reconcile("--repair")
    assert (done.exit_code, steps.image()) == (0, image)
    assert "1 thumbs of another installation, another" in done.output


def restored_elsewhere(comparison: Comparison) -> None:
    """Make the database one that was copied into another."""
    with comparison.database.engine.begin() as connection:
        connection.execute(installation.update().values(fingerprint="of the database before"))


def test_restored_copy_deletes_nothing_until_an_operator_has_said_what_it_is(
    steps: Steps, s3: "S3Client", comparison: Comparison, reconcile: Reconcile
) -> None:
    ready_image(steps, s3, "other.jpg")
    gone_image(steps, s3)
    [finding] = findings(reconciliation.find_in_bucket(comparison))
    assert isinstance(finding, OrphanThumb)
    before = keys(s3)
    restored_elsewhere(comparison)
    refused = reconcile("--delete", "--grace", "0s", "--force")
    assert (refused.exit_code, keys(s3)) == (2, before)
    assert "catalog installation continue" in refused.output
    left = comparison.database.transact(reconciliation.delete_thumb, comparison, finding, SOON, unmarked=True)
    assert (left, keys(s3)) == (Outcome.SKIPPED, before)


# --- a catalog of another time than the bucket ---


@pytest.mark.parametrize(("generation", "etag"), [(4, "etag"), (1, "of another original")])
def test_image_whose_thumbs_are_of_another_time_is_found_and_processed_above_them(
    steps: Steps, s3: "S3Client", reconcile: Reconcile, sent: Sent, generation: int, etag: str
) -> None:
    image = ready_image(steps, s3)
    ready_image(steps, s3, "other.jpg")
    for square in SQUARES:
        put_thumb(s3, image, square, generation=generation, etag=etag)
    found = reconcile()
    assert (found.exit_code, steps.image()) == (1, image)
    assert f"1 images with thumbs of another time than the catalog\n  {KEY}\n" in found.output
    assert "1 queued again" in reconcile("--repair").output
    assert sent()[-1] == ("image.reprocess", image.image_id, generation + 1)


# --- servers that are not as kind ---


@pytest.mark.parametrize("any_database_url", ["sqlite"], indirect=True)  # what S3 is like is the same for both
@pytest.mark.parametrize("manner", MANNERS)
def test_orphans_are_found_and_deleted_whatever_the_manners_of_the_server(
    manner: str, steps: Steps, s3: "S3Client", s3_endpoint: str, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_image(steps, s3, "other.jpg")
    orphan = thumb_key(gone_image(steps, s3).s3_key, 64)
    before = keys(s3)
    with fronted(s3_endpoint, manner) as (url, _):
        monkeypatch.setenv("CATALOG_RECONCILE_S3_ENDPOINT_URL", url)
        done = reconcile("--delete", "--grace", "0s")
    # Of an object without a date nobody knows whether it is older than the grace.
    gone = set() if manner == "terse" else {orphan}
    assert (done.exit_code, keys(s3)) == (0 if gone else 1, before - gone), done.output
    unkept = manner in {"no-etags", "ignores-conditions", "delete-501", "probe-denied"}
    assert ("does not keep conditions" in done.output) == unkept


# --- stuck ---


def test_pending_image_without_a_job_is_found_and_queued(
    steps: Steps, reconcile: Reconcile, comparison: Comparison, sent: Sent
) -> None:
    image = steps.register()
    with comparison.database.engine.begin() as connection:
        connection.execute(jobs.delete())
    found = reconcile()
    assert found.exit_code == 1
    assert f"1 keys stuck\n  {KEY}\n" in found.output
    assert reconcile("--repair").exit_code == 0
    assert sent()[-1] == ("image.reprocess", image.image_id, 2)
    steps.processed(steps.image())
    assert steps.image().status == "ready"


@pytest.mark.parametrize("column", ["date_sent", "date_created"])
def test_lost_job_is_found_and_makes_way(
    steps: Steps, s3: "S3Client", reconcile: Reconcile, comparison: Comparison, sent: Sent, column: str
) -> None:
    image = steps.register()
    steps.reprocess()  # waits for the job that is lost
    assert reconcile().exit_code == 0
    with comparison.database.engine.begin() as connection:
        connection.execute(jobs.update().values(date_sent=None))
    sent_long_ago(comparison, column=column)
    assert reconcile("--stuck-after", "3h").exit_code == 0
    assert reconcile().exit_code == 1
    assert reconcile("--repair").exit_code == 0
    assert sent()[-1] == ("image.reprocess", image.image_id, 3)
    assert len(steps.jobs()) == 1
    for square in SQUARES:
        put_thumb(s3, steps.image(), square)
    steps.processed(steps.image())
    assert steps.image().status == "ready"
    assert reconcile().exit_code == 0


def test_answer_of_a_job_that_was_not_lost_after_all_ends_in_a_ready_image(
    steps: Steps, comparison: Comparison, open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    sent_long_ago(comparison)
    mend_all_stuck(comparison)
    steps.processed(image, etag="late")
    while steps.image().status == "pending":
        [job, *_] = steps.jobs()
        steps.processed(Image(**{**vars(steps.image()), "generation": job.registration.generation}))
    assert steps.image().status == "ready"
    assert open_jobs() == 0


def test_lost_deletion_is_done_before_the_image_that_waits_for_it(
    steps: Steps, comparison: Comparison, sent: Sent
) -> None:
    first = steps.register()
    steps.processed(first)
    steps.delete()
    second = steps.register(caller=BERT)
    sent_long_ago(comparison)
    mend_all_stuck(comparison)
    assert sent()[-1] == ("image.deleted", first.image_id, 1)
    steps.thumbs_deleted(first)
    assert sent()[-1] == ("image.reprocess", second.image_id, 2)
    steps.processed(steps.image())
    assert steps.image().status == "ready"


def test_lost_job_of_a_deleted_image_makes_way_for_its_deletion(
    steps: Steps, comparison: Comparison, sent: Sent, open_jobs: Callable[[], int]
) -> None:
    image = steps.register()
    steps.delete()
    sent_long_ago(comparison)
    mend_all_stuck(comparison)
    assert sent()[-1] == ("image.deleted", image.image_id, 1)
    steps.thumbs_deleted(image)
    assert open_jobs() == 0


def test_key_that_is_stuck_no_more_when_it_would_be_mended_is_left(
    steps: Steps, comparison: Comparison, sent: Sent
) -> None:
    image = steps.register()
    sent_long_ago(comparison)
    [finding] = findings(reconciliation.find_stuck(comparison, LONG_AGO))
    assert isinstance(finding, Stuck)
    steps.processed(image)
    outcome = comparison.database.transact(reconciliation.mend_stuck, comparison, finding, LONG_AGO)
    assert outcome == Outcome.ALREADY_FINE
    assert (steps.image().status, len(sent())) == ("ready", 1)


def test_keys_stuck_are_gone_through_a_page_at_a_time(
    steps: Steps, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconciliation, "PAGE", 2)
    expected = {steps.register(f"a/{number}").s3_key for number in range(5)}
    steps.register("elsewhere", bucket="elsewhere")
    sent_long_ago(comparison)
    assert {finding.key for finding in findings(reconciliation.find_stuck(comparison, LONG_AGO))} == expected


def mend_all_stuck(comparison: Comparison) -> None:
    for finding in findings(reconciliation.find_stuck(comparison, LONG_AGO)):
        assert isinstance(finding, Stuck)
        assert comparison.database.transact(reconciliation.mend_stuck, comparison, finding, LONG_AGO) == Outcome.MENDED


# --- telling ---


def test_keys_are_told_up_to_a_limit_or_all(steps: Steps, s3: "S3Client", reconcile: Reconcile) -> None:
    for number in range(12):
        gone_image(steps, s3, f"a/{number}")
    assert "and 2 more" in reconcile().output
    assert reconcile("--verbose").output.count("thumb-of-nothing  found  a/t64/") == 12
    lines = [json.loads(line) for line in reconcile("--json").output.splitlines()]
    assert len({line["s3_key"] for line in lines[:-1]}) == 12
    assert lines[-1]["counts"]["thumb-of-nothing"] == {"found": 12, "mended": 0, "well": 0, "left": 0}


def test_what_cannot_be_looked_at_is_one_line_and_another_status(
    steps: Steps, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps.register()
    elsewhere = reconcile("--bucket", "no-such-bucket")
    assert (elsewhere.exit_code, "NoSuchBucket" in elsewhere.output) == (2, True)
    assert "Traceback" not in elsewhere.output
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ENDPOINT_URL", "http://127.0.0.1:9")
    assert reconcile().exit_code == 2
    assert reconcile("--grace", "an hour").exit_code == 2


def test_nothing_is_deleted_by_the_word_of_a_database_that_knows_no_image_there(
    s3: "S3Client", reconcile: Reconcile
) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/t64/b", Body=b"", Metadata={"imghost-image-id": "of another installation"})
    refused = reconcile("--delete", "--grace", "0s")
    assert (refused.exit_code, keys(s3)) == (2, {"a/t64/b"})
    assert "is this the database that belongs to it?" in refused.output


class Encrypted(BaseHTTPRequestHandler):
    """An S3 whose objects lie there under a key of encryption that only their owner has."""

    def do_HEAD(self) -> None:
        self.send_error(400)

    def do_GET(self) -> None:
        body = b"<Error><Code>InvalidRequest</Code></Error>"
        self.send_response(400)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        pass


def test_object_that_cannot_be_read_is_somebody_elses() -> None:
    with serving(Encrypted) as url, thumbs.connect(settings_for(url), ignored) as storage:
        found = storage.look(BUCKET, "a/t64/b")
    assert found is not None
    assert found.image_id is None
