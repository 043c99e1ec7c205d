"""`catalog reconcile`: images whose thumbs are missing, or are newer than the catalog knows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pytest

from catalog.adapters import operators_store, thumbs
from catalog.adapters.operators_store import OperatorsStore
from catalog.keys import thumb_key
from catalog.stored_objects import StoredThumb
from catalog.upkeep import reconciliation
from catalog.upkeep.findings import DifferingThumbs, MissingThumbs, OrphanThumb, Outcome
from catalog.upkeep.reconciliation import Comparison
from catalog_steps import Sent, Steps
from reconcile_steps import DISPLAY, KEY, SQUARES, Reconcile, all_findings, findings, keys, put_thumb, ready_image
from s3 import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


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


def test_image_whose_display_picture_is_missing_or_of_another_is_found(
    steps: Steps, s3: "S3Client", comparison: Comparison
) -> None:
    image = ready_image(steps, s3, display=DISPLAY)
    assert all_findings(comparison) == []
    s3.delete_object(Bucket=BUCKET, Key=thumb_key(KEY, DISPLAY.square))
    assert all_findings(comparison) == [MissingThumbs(KEY, image.image_id, 1)]
    put_thumb(s3, image, DISPLAY.square, generation=5)
    assert all_findings(comparison) == [DifferingThumbs(KEY, image.image_id, 1, 5)]


@pytest.mark.parametrize("metadata", [{}, {"imghost-image-id": "another"}], ids=["somebody's", "another image's"])
def test_thumb_that_is_not_the_images_own_is_missing(
    steps: Steps, s3: "S3Client", comparison: Comparison, metadata: dict[str, str]
) -> None:
    image = ready_image(steps, s3)
    s3.put_object(Bucket=BUCKET, Key=thumb_key(KEY, 64), Body=b"other", Metadata=metadata)
    orphans = [OrphanThumb(thumb_key(KEY, 64), is_marked=False)] if metadata else []
    assert all_findings(comparison) == [MissingThumbs(KEY, image.image_id, 1), *orphans]


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


def test_images_that_are_not_ready_are_passed_a_step_at_a_time(
    steps: Steps, s3: "S3Client", comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operators_store, "STEP", 2)
    for number in range(7):
        steps.register(f"pending/{number}")
    image = ready_image(steps, s3)
    s3.delete_object(Bucket=BUCKET, Key=thumb_key(image.s3_key, 128))
    assert [finding.key for finding in findings(reconciliation.find_in_images(comparison))] == [image.s3_key]
    read = comparison.database.read
    assert read(OperatorsStore.count_ready, BUCKET) == 1
    assert (read(OperatorsStore.has_images, BUCKET), read(OperatorsStore.has_images, "other")) == (True, False)


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
    assert f"1 images whose thumbs do not match the catalog\n  {KEY}\n" in found.output
    assert "1 queued again" in reconcile("--repair").output
    assert sent()[-1] == ("image.reprocess", image.image_id, generation + 1)
