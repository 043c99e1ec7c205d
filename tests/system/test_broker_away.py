"""An image registered while RabbitMQ is away gets its 201, and is ready after RabbitMQ is back."""

import secrets
import subprocess
from collections.abc import Iterator, Mapping

import boto3
import pytest

from clients import ValidatingClient, path
from containers import COMPOSE_PROJECT
from pictures import photo

BROKER = f"{COMPOSE_PROJECT}-rabbitmq-1"


@pytest.fixture
def broker_away(compose_stack: Mapping[str, str]) -> Iterator[None]:  # noqa: ARG001
    subprocess.run(["docker", "stop", "--time", "20", BROKER], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["docker", "start", BROKER], check=True, capture_output=True)


def test_image_registered_while_the_broker_is_away_is_ready_when_it_is_back(
    compose_stack: Mapping[str, str],
    broker_away: None,  # noqa: ARG001
) -> None:
    client = ValidatingClient(
        compose_stack["GATEWAY_URL"], (compose_stack["IMGHOST_USERNAME"], compose_stack["IMGHOST_PASSWORD"])
    )
    s3 = boto3.client(
        "s3",
        endpoint_url=compose_stack["S3_ENDPOINT_URL"],
        region_name=compose_stack["AWS_DEFAULT_REGION"],
        aws_access_key_id=compose_stack["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=compose_stack["AWS_SECRET_ACCESS_KEY"],
    )
    keys = [f"{secrets.token_hex(4)}/away.jpg" for _ in range(5)]
    for key in keys:
        s3.put_object(Bucket=compose_stack["S3_BUCKET"], Key=key, Body=photo(64, 48))
        answer = client.post("/api/images", json={"s3_key": key})
        assert answer.status == 201
    deleted = keys.pop()
    assert client.delete(path("images", deleted)).status == 204
    assert all(client.get(path("images", key)).json()["status"] == "pending" for key in keys)
    subprocess.run(["docker", "start", BROKER], check=True, capture_output=True)
    assert [client.settled(key, deadline_s=60)["status"] for key in keys] == ["ready"] * len(keys)
    client.close()
