"""Imaging answers that an image is processed only once all of its thumbs are in S3."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from chassis.broker.verdicts import TransientError
from chassis.envelope import Event
from imaging.adapters.storage import S3Storage
from imaging.domain import Limits
from imaging.pipeline import render
from imaging.settings import ImagingSettings
from imaging.use_cases import Imaging
from imaging.worker import handle
from pictures import photo
from s3 import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, serving
from s3_front import Front

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SQUARES = (64, 256, 1024)
LIMITS = Limits(10**7, 10**7, 10**4, 1024**3, ("JPEG",))
CREATED = Event(
    "image.created",
    "/catalog",
    "image",
    "request",
    {"image_id": "i", "generation": 1, "s3_bucket": BUCKET, "s3_key": "a"},
)


class Denying(Front):
    """An S3 that denies writing to keys that end with `denied`."""

    denied = ""

    def forward(self) -> None:
        if self.command == "PUT" and self.path.endswith(self.denied):
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.refuse(403, "Access denied.", code="AccessDenied")
        else:
            super().forward()

    do_PUT = forward  # noqa: N815 - the name that the server calls


@dataclass
class Work:
    """A worker with one job, on an S3 that denies the writing of one thumb; `told` are its answers."""

    front: type[Denying]
    storage: S3Storage
    told: list[Event]

    def do(self) -> None:
        with ThreadPoolExecutor(len(SQUARES)) as uploads:
            imaging = Imaging(self.storage, partial(render, limits=LIMITS, squares=SQUARES), uploads, self.told.append)
            handle(imaging, CREATED, attempt=1)


@pytest.fixture(params=SQUARES)
def work(request: pytest.FixtureRequest, s3_endpoint: str, s3: "S3Client") -> Iterator[Work]:
    s3.put_object(Bucket=BUCKET, Key="a", Body=photo())

    class OfOneThumb(Denying):
        upstream = urlsplit(s3_endpoint).netloc
        calls: list[str] = []  # noqa: RUF012 - of this front alone
        denied = f"/t{request.param}/a"

    with serving(OfOneThumb) as url:
        settings = ImagingSettings(
            broker_url="amqp://unused",
            s3_endpoint_url=url,
            s3_access_key_id=ACCESS_KEY_ID,
            s3_secret_access_key=SECRET_ACCESS_KEY,
        )
        yield Work(OfOneThumb, S3Storage(settings), [])


def test_image_of_which_one_thumb_was_not_written_is_not_told_to_be_processed(work: Work, s3: "S3Client") -> None:
    """Otherwise the image would be ready without that thumb, and nothing would ever write it."""
    with pytest.raises(TransientError):
        work.do()
    assert work.told == []
    work.front.denied = "nothing"
    work.do()
    assert [event.type for event in work.told] == ["image.processed"]
    found = {each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET)["Contents"]}
    assert found == {"a", *(f"t{square}/a" for square in SQUARES)}
