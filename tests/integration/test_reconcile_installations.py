"""`catalog reconcile` beside another installation on the same bucket, and in a restored copy of the database."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from catalog.adapters.tables import installation
from catalog.upkeep import reconciliation
from catalog.upkeep.findings import OrphanThumb, Outcome
from catalog.upkeep.reconciliation import Comparison
from catalog_steps import Steps
from reconcile_steps import (
    SOON,
    SQUARES,
    Reconcile,
    deleted_image,
    findings,
    keys,
    put_thumb,
    ready_image,
    restored_elsewhere,
)
from s3 import BUCKET

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def test_thumbs_of_another_installation_are_counted_and_left_alone(
    steps: Steps, s3: "S3Client", reconcile: Reconcile
) -> None:
    ready_image(steps, s3, "other.jpg")
    theirs = put_thumb(s3, deleted_image(steps, s3), 64, by="of another kind")
    found = reconcile("--delete", "--grace", "0s")
    assert (found.exit_code, theirs in keys(s3)) == (0, True)
    assert found.output.endswith("1 thumbs of another installation, of another kind, which are left alone\n")
    [*_, counts] = [json.loads(line) for line in reconcile("--json").output.splitlines()]
    assert counts["thumbs_of_other_installations"] == {"of another kind": 1}


def test_thumb_that_does_not_say_whose_it_is_is_deleted_by_force_only(
    steps: Steps, s3: "S3Client", reconcile: Reconcile
) -> None:
    ready_image(steps, s3, "other.jpg")
    unmarked = put_thumb(s3, deleted_image(steps, s3), 64, by=None)
    kept = reconcile("--delete", "--grace", "0s")
    assert (kept.exit_code, unmarked in keys(s3)) == (1, True)
    assert "1 orphan thumbs: 1 skipped for now" in kept.output
    assert reconcile("--delete", "--grace", "0s", "--force").exit_code == 0
    assert unmarked not in keys(s3)


def test_second_installation_on_a_bucket_takes_none_of_the_thumbs_of_the_first(
    steps: Steps, s3: "S3Client", comparison: Comparison, reconcile: Reconcile
) -> None:
    """Its database knows few of the images, so nearly every thumb in the bucket looks like an orphan to it."""
    ready_image(steps, s3, "own.jpg")
    for number in range(12):
        deleted_image(steps, s3, f"theirs/{number}")
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
    """As after a restored backup: keys registered since then have thumbs of images that the catalog does not know."""
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


def test_restored_copy_deletes_nothing_until_an_operator_has_said_what_it_is(
    steps: Steps, s3: "S3Client", comparison: Comparison, reconcile: Reconcile
) -> None:
    ready_image(steps, s3, "other.jpg")
    deleted_image(steps, s3)
    [finding] = findings(reconciliation.find_in_bucket(comparison))
    assert isinstance(finding, OrphanThumb)
    before = keys(s3)
    restored_elsewhere(comparison)
    refused = reconcile("--delete", "--grace", "0s", "--force")
    assert (refused.exit_code, keys(s3)) == (2, before)
    assert "catalog installation continue" in refused.output
    left = comparison.database.transact(reconciliation.delete_thumb, comparison, finding, SOON, unmarked=True)
    assert (left, keys(s3)) == (Outcome.SKIPPED, before)


def test_nothing_is_deleted_by_the_word_of_a_database_that_knows_no_image_there(
    s3: "S3Client", reconcile: Reconcile
) -> None:
    s3.put_object(Bucket=BUCKET, Key="a/t64/b", Body=b"", Metadata={"imghost-image-id": "of another installation"})
    refused = reconcile("--delete", "--grace", "0s")
    assert (refused.exit_code, keys(s3)) == (2, {"a/t64/b"})
    assert "is this the database that belongs to it?" in refused.output
