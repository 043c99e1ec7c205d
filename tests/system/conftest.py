"""The stack under test, its users, and its S3.

With EDGE=1 the tests run through the edge, which is before plain processes, but for those of `edge_differences`.
Without IMGHOST_URL every test runs on the plain processes, whose S3 is moto, and on the compose stack, whose S3 is
durable. With it, only the service at that address is tested. The other variables are those of `.imghost/run.env` (an
empty S3_ENDPOINT_URL means AWS); AUTH_COMMAND, by which the commands of auth are called there; STATUS_COMMAND, which is
`catalog status` there; and ELSEWHERE_COMMAND, which runs the Python program on its standard input at an address of its
own. The first two arguments of that program are the URL of the gateway as seen from there, and the address to connect
from (empty: any).
"""

import os
import secrets
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.config import Config

import edge_differences
from clients import NewUser, Register, Stack, ValidatingClient
from pictures import photo
from users import create_user

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def stacks() -> list[str]:
    """Return the names of the fixtures that give the stacks under test."""
    if os.environ.get("EDGE"):
        return ["edge_stack"]
    return ["named_stack"] if "IMGHOST_URL" in os.environ else ["plain_stack", "compose_stack"]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Through the edge, run only the tests that say which stack they run on by the fixture `stack`."""
    if not os.environ.get("EDGE"):
        return
    others = [item for item in items if "stack" not in getattr(item, "fixturenames", ())]
    config.hook.pytest_deselected(items=others)
    items[:] = [item for item in items if item not in others]
    for item in items:
        if (reason := edge_differences.of(item.nodeid)) is not None:
            item.add_marker(pytest.mark.skip(reason=f"the edge: {reason}"))


@pytest.fixture(scope="session")
def named_stack() -> Stack:
    return os.environ | {"GATEWAY_URL": os.environ["IMGHOST_URL"]}


@pytest.fixture(scope="session", params=stacks())
def stack(request: pytest.FixtureRequest) -> Stack:
    mapping: Stack = request.getfixturevalue(request.param)
    return mapping


@pytest.fixture(scope="session")
def anyone(stack: Stack) -> Iterator[ValidatingClient]:
    client = ValidatingClient(stack["GATEWAY_URL"])
    yield client
    client.close()


@pytest.fixture(scope="session")
def alice(stack: Stack) -> Iterator[ValidatingClient]:
    client = ValidatingClient(stack["GATEWAY_URL"], (stack["IMGHOST_USERNAME"], stack["IMGHOST_PASSWORD"]))
    yield client
    client.close()


@pytest.fixture(scope="session")
def new_user(stack: Stack) -> NewUser:
    return partial(create_user, stack)


@pytest.fixture(scope="session")
def bob(new_user: NewUser) -> Iterator[ValidatingClient]:
    client = new_user()
    yield client
    client.close()


@pytest.fixture(scope="module")
def anna(new_user: NewUser) -> Iterator[ValidatingClient]:
    """A user of the module's own."""
    client = new_user()
    yield client
    client.close()


@pytest.fixture(scope="session")
def bucket(stack: Stack) -> str:
    return stack["S3_BUCKET"]


@pytest.fixture(scope="session")
def s3(stack: Stack) -> "S3Client":
    return boto3.client(
        "s3",
        endpoint_url=stack["S3_ENDPOINT_URL"] or None,
        region_name=stack["AWS_DEFAULT_REGION"],
        aws_access_key_id=stack["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=stack["AWS_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}, connect_timeout=5, read_timeout=10),
    )


@pytest.fixture
def prefix() -> str:
    """A prefix of the test's own, so that no test sees the images of another."""
    return secrets.token_hex(4)


@pytest.fixture(scope="session")
def register(alice: ValidatingClient, s3: "S3Client", bucket: str) -> Register:
    """A function that uploads a picture, registers it and returns the document of the answer."""

    def upload_and_register(
        s3_key: str, content: bytes | None = None, by: ValidatingClient = alice, **fields: str
    ) -> dict[str, Any]:
        s3.put_object(Bucket=bucket, Key=s3_key, Body=photo(64, 48) if content is None else content)
        answer = by.post("/api/images", json={"s3_key": s3_key, "s3_bucket": bucket, **fields})
        assert answer.status == 201, answer.body
        document: dict[str, Any] = answer.json()
        return document

    return upload_and_register


@pytest.fixture(scope="session")
def ready_image(alice: ValidatingClient, register: Register) -> dict[str, Any]:
    """A ready image, for tests that only look at it."""
    s3_key = f"{secrets.token_hex(4)}/my_image.jpg"
    register(s3_key, photo(), title="Image Title", description="A description of the image.")
    return alice.settled(s3_key)
