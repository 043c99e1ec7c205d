"""`catalog reconcile`: orphans, which are thumbs that no image shows, are deleted, and no other object is."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest

from catalog import use_cases
from catalog.adapters import thumbs
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.tables import jobs
from catalog.keys import thumb_key
from catalog.upkeep import reconciliation
from catalog.upkeep.findings import OrphanThumb, Outcome, Stuck
from catalog.upkeep.reconciliation import Comparison
from catalog_steps import ANNA, BUCKETS, Steps
from reconcile_steps import (
    DISPLAY,
    KEY,
    SOON,
    Reconcile,
    all_findings,
    deleted_image,
    findings,
    ignored,
    keys,
    put_thumb,
    ready_image,
    settings_for,
)
from s3 import BUCKET, serving
from s3_front import MANNERS, fronted

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def of_no_image(steps: Steps, s3: "S3Client") -> str:
    return thumb_key(deleted_image(steps, s3).s3_key, 64)


def of_an_image_before(steps: Steps, s3: "S3Client") -> str:
    before = deleted_image(steps, s3)
    ready_image(steps, s3)
    return put_thumb(s3, before, 512)


def of_a_failed_image(steps: Steps, s3: "S3Client") -> str:
    image = steps.register()
    steps.failed(image)
    return put_thumb(s3, image, 64)


def of_the_display_picture(steps: Steps, s3: "S3Client") -> str:
    """The image had one: its original was another, or the operator wanted one of all images."""
    ready_image(steps, s3, "scan.tif", DISPLAY)
    return put_thumb(s3, ready_image(steps, s3), DISPLAY.square)


def of_another_square(steps: Steps, s3: "S3Client") -> str:
    return put_thumb(s3, ready_image(steps, s3), 1024)


def of_an_image_in_another_bucket(steps: Steps, s3: "S3Client") -> str:
    image = steps.register(bucket="elsewhere")
    steps.processed(image)
    return put_thumb(s3, image, 64)


@pytest.mark.parametrize(
    "make",
    [
        of_no_image,
        of_an_image_before,
        of_a_failed_image,
        of_the_display_picture,
        of_another_square,
        of_an_image_in_another_bucket,
    ],
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
    assert all_findings(comparison) == []
    with comparison.database.engine.begin() as connection:
        connection.execute(jobs.delete().where(jobs.c.s3_key == pending.s3_key))
    assert all_findings(comparison) == [Stuck(pending.s3_key)]


def registered_again(steps: Steps, _s3: "S3Client") -> None:
    steps.register()


def registered_and_ready_again(steps: Steps, s3: "S3Client") -> None:
    """The thumbs have the same bytes as before, and so the same ETag."""
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
    deleted_image(steps, s3)
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
    """The deletion waits for the lock of the key, and then sees the registration."""
    deleted_image(steps, s3)
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
    image = deleted_image(steps, s3)
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


@pytest.mark.parametrize("any_database_url", ["sqlite"], indirect=True)  # S3 is the same for both
@pytest.mark.parametrize("manner", MANNERS)
def test_orphans_are_found_and_deleted_whatever_the_server_does(
    manner: str, steps: Steps, s3: "S3Client", s3_endpoint: str, reconcile: Reconcile, monkeypatch: pytest.MonkeyPatch
) -> None:
    ready_image(steps, s3, "other.jpg")
    orphan = thumb_key(deleted_image(steps, s3).s3_key, 64)
    before = keys(s3)
    with fronted(s3_endpoint, manner) as (url, _):
        monkeypatch.setenv("CATALOG_RECONCILE_S3_ENDPOINT_URL", url)
        done = reconcile("--delete", "--grace", "0s")
    # Without a date nobody knows whether an object is older than the grace period.
    gone = set() if manner == "terse" else {orphan}
    assert (done.exit_code, keys(s3)) == (0 if gone else 1, before - gone), done.output
    unkept = manner in {"no-etags", "ignores-conditions", "delete-501", "probe-denied"}
    assert ("does not keep conditions" in done.output) == unkept


class Encrypted(BaseHTTPRequestHandler):
    """An S3 whose objects are encrypted with a key that only their owner has (SSE-C)."""

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
