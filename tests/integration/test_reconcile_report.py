"""What `catalog reconcile` prints, and the status that it ends with."""

import json
from typing import TYPE_CHECKING

import pytest

from catalog_steps import Steps
from reconcile_steps import Reconcile, deleted_image

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def test_keys_are_told_up_to_a_limit_or_all(steps: Steps, s3: "S3Client", reconcile: Reconcile) -> None:
    for number in range(12):
        deleted_image(steps, s3, f"a/{number}")
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
