"""The console on the whole service as plain processes, in one browser for all tests."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from botocore.config import Config

from clients import Stack
from console.browser import Browser, browser, install_axe, pretty
from console.people import Person, new_person

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@pytest.fixture(scope="session")
def stack(request: pytest.FixtureRequest) -> Stack:
    """The service at IMGHOST_URL, as for the system tests; without it, plain processes of our own."""
    if "IMGHOST_URL" in os.environ:
        return os.environ | {"GATEWAY_URL": os.environ["IMGHOST_URL"]}
    mapping: Stack = request.getfixturevalue("plain_stack")
    return mapping


@pytest.fixture(scope="session")
def s3(stack: Stack) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=stack["S3_ENDPOINT_URL"],
        region_name=stack["AWS_DEFAULT_REGION"],
        aws_access_key_id=stack["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )


@pytest.fixture(scope="session")
def window(stack: Stack) -> Iterator[Browser]:
    install_axe()
    with browser(stack["GATEWAY_URL"]) as started:
        yield started


@pytest.fixture
def page(window: Browser) -> Iterator[Browser]:
    """The window; it fails the test if a script has failed, or the policy has refused something."""
    yield window
    complaints = window.complaints()
    assert complaints == [], pretty(complaints)


@pytest.fixture
def anna(stack: Stack, page: Browser) -> Person:
    """A new user, who is signed in."""
    found = new_person(stack)
    found.sign_in(page)
    return found
