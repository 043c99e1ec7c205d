"""Which messages are jobs for imaging, and which are malformed."""

import pytest

from chassis.envelope import Event, MalformedMessageError
from imaging.messages import read_job

JOB = {"image_id": "image", "generation": 1, "s3_bucket": "pics", "s3_key": "ä" * 500}


def test_longest_key_is_read() -> None:
    assert read_job(Event("image.created", "/catalog", "s", "r", JOB)).s3_key == "ä" * 500


@pytest.mark.parametrize(
    "odd", [{"s3_key": ""}, {"s3_key": "ä" * 501}, {"s3_bucket": "a b"}, {"s3_bucket": ""}, {"image_id": "ä\n"}]
)
def test_job_that_s3_would_refuse_each_time_is_malformed(odd: dict[str, str]) -> None:
    with pytest.raises(MalformedMessageError):
        read_job(Event("image.created", "/catalog", "s", "r", {**JOB, **odd}))
