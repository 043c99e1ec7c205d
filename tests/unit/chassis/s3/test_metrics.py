"""What a process shows of its requests to S3."""

import itertools
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from chassis.s3 import client as s3
from metric_values import shown
from s3 import serving

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client


def count(operation: str, status: str) -> float:
    return shown("imghost_s3_request_duration_seconds_count", operation=operation, status=status)


def connect(url: str) -> "S3Client":
    return s3.connect(s3.Access(url, "us-east-1", "id", "secret"))


def test_request_that_is_not_answered_is_shown() -> None:
    before, client = count("HeadObject", "error"), connect("http://127.0.0.1:9")
    with pytest.raises(EndpointConnectionError):
        client.head_object(Bucket="pics", Key="a")
    assert count("HeadObject", "error") == before + 1


class Inventive(BaseHTTPRequestHandler):
    """A server that refuses each request with another status."""

    numbers = itertools.count(700)

    def do_HEAD(self) -> None:
        self.send_response(next(self.numbers))
        self.end_headers()


def test_server_cannot_invent_statuses_in_metrics() -> None:
    with serving(Inventive) as url:
        client = connect(url)
        for _ in range(20):
            with pytest.raises(ClientError):
                client.head_object(Bucket="pics", Key="a")
    assert count("HeadObject", "other") == 20
    assert not count("HeadObject", "700")
