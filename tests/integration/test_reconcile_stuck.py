"""`catalog reconcile`: keys whose job, or the answer to it, was lost are restarted."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from catalog.adapters.tables import jobs
from catalog.domain import Image
from catalog.jobs import recovery
from catalog.upkeep import reconciliation
from catalog.upkeep.findings import Outcome, Stuck
from catalog.upkeep.reconciliation import Comparison
from catalog_steps import BERT, Sent, Steps
from reconcile_steps import KEY, LONG_AGO, SQUARES, Reconcile, findings, put_thumb, sent_long_ago

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


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
    steps.reprocess()  # its job waits for the lost one
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
    assert sent()[-1] == ("image.reprocess", second.image_id, 3)
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
    monkeypatch.setattr(recovery, "PAGE", 2)
    expected = {steps.register(f"a/{number}").s3_key for number in range(5)}
    steps.register("elsewhere", bucket="elsewhere")
    sent_long_ago(comparison)
    for number in range(2):
        expected.add(steps.register(f"b/{number}").s3_key)
        steps.register(f"aa/{number}")  # a page between those that are stuck, of which none is
    with comparison.database.engine.begin() as connection:
        connection.execute(jobs.delete().where(jobs.c.s3_key.like("b/%")))
    assert {finding.key for finding in findings(reconciliation.find_stuck(comparison, LONG_AGO))} == expected


def test_key_that_is_stuck_in_two_buckets_is_found_in_both_however_pages_end(
    steps: Steps, comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recovery, "PAGE", 1)
    image = steps.register()
    steps.processed(image)
    steps.delete()
    steps.register(bucket="elsewhere")
    sent_long_ago(comparison)
    assert [key for page in recovery.find_stuck(comparison.database, LONG_AGO) for key in page] == [
        ("elsewhere", image.s3_key),
        ("pics", image.s3_key),
    ]


def mend_all_stuck(comparison: Comparison) -> None:
    for finding in findings(reconciliation.find_stuck(comparison, LONG_AGO)):
        assert isinstance(finding, Stuck)
        assert comparison.database.transact(reconciliation.mend_stuck, comparison, finding, LONG_AGO) == Outcome.MENDED
