"""The services on an IPv6 network: each finds the others, its database, broker and S3 by addresses in brackets."""

from collections.abc import Callable, Iterator
from contextlib import closing
from uuid import uuid4

import boto3
import pika
import pytest
import sqlalchemy as sa

import auth.bootstrap
import auth.settings
from chassis.broker import topology
from chassis.broker.depths import Depths
from chassis.broker.topology import Queue
from lines import Line
from web_stack import WebStack

ByIpv6 = Callable[[str], str]


@pytest.fixture
def by_ipv6() -> Iterator[ByIpv6]:
    """A function from a server's URL to one with an IPv6 address, through a line to that server."""
    lines: list[Line] = []

    def lead_there(url: str) -> str:
        lines.append(Line(url, "::1"))
        return lines[-1].url

    yield lead_there
    for line in lines:
        line.close()


def test_services_find_each_other(web_stack: WebStack) -> None:
    web_stack.host = "[::1]"
    web_stack.start_all()
    assert web_stack.url().startswith("http://[::1]:")
    assert web_stack.anna().post("/api/collections", json={"name": "holidays"}).status == 201
    assert web_stack.anna().get("/readyz").json()["shared"] == {"auth": True, "catalog": True}


def test_database_is_found(database_url: str, by_ipv6: ByIpv6) -> None:
    url = by_ipv6(database_url)
    assert "@[::1]:" in url
    database = auth.bootstrap.make_database(auth.settings.DatabaseSettings(database_url=url))
    with database.engine.connect() as connection:
        assert connection.scalar(sa.select(1)) == 1
    database.engine.dispose()


def test_broker_is_found(broker_url: str, by_ipv6: ByIpv6) -> None:
    queue = Queue(f"test.{uuid4().hex}", ())
    with closing(Depths(by_ipv6(broker_url))) as depths:
        assert depths.measure(queue).ready == 0
    connection = pika.BlockingConnection(pika.URLParameters(broker_url))
    for name in (queue.name, queue.dead, *(queue.retry(delay_s) for delay_s in topology.RETRY_DELAYS_S)):
        connection.channel().queue_delete(name)
    connection.close()


def test_s3_is_found(s3_endpoint: str, by_ipv6: ByIpv6) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=by_ipv6(s3_endpoint),
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    assert client.list_buckets()["Buckets"] == []
    assert client.generate_presigned_post("pics", "key")["url"].startswith("http://[::1]:")
