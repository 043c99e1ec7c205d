"""A bad URL is refused at start, in a sentence that shows no part of it."""

import pytest
from pydantic import SecretStr, TypeAdapter, ValidationError

from chassis.urls import BrokerUrl, DatabaseUrl, EndpointUrl, HostLabel, HttpUrl, ServerUrl

SECRET = "hidden-one"

GOOD = [
    (DatabaseUrl, "postgresql+psycopg://auth:p%40ss@db.example:5432/auth"),
    (DatabaseUrl, "postgresql+psycopg://auth@[::1]:5432/auth?sslmode=verify-full&connect_timeout=3"),
    (DatabaseUrl, "postgresql+psycopg://auth@/auth?host=/var/run/postgresql"),
    (DatabaseUrl, "postgresql+psycopg://auth@/auth?host=one:5432&host=two:5433&target_session_attrs=primary"),
    (DatabaseUrl, "sqlite:////var/lib/imghost/auth.db"),
    (BrokerUrl, "amqp://imghost:secret@rabbitmq:5672/%2F"),
    (BrokerUrl, "amqps://imghost:secret@[2001:db8::1]/vhost?heartbeat=20"),
    (BrokerUrl, "amqp://imghost:a,b@one:5672/%2F,amqp://imghost:a,b@two:5672/%2F,amqps://imghost:a,b@three/%2F"),
    (HttpUrl, "https://cdn.example/pictures/"),
    (ServerUrl, "http://auth_service:8000"),
    (EndpointUrl, "http://[::1]:9000"),
    (EndpointUrl, "https://s3.example.com/"),
    (HostLabel, "us-east-1"),
]

BAD = [
    *((DatabaseUrl, url, told) for url, told in [
        ("db.example", "is no URL"),
        ("://", "is no URL"),
        (f"postgresql://auth:{SECRET}@db/auth", "does not begin with postgresql+psycopg://"),
        (f"mysql://auth:{SECRET}@db/auth", "does not begin with"),
        (f"postgresql+nothing://auth:{SECRET}@db/auth", "does not begin with"),
        (f"postgresql+psycopg://auth:{SECRET}@/auth", "names no host"),
        (f"postgresql+psycopg://auth:{SECRET}@:5432/auth", "names no host"),
        (f"postgresql+psycopg://auth:{SECRET}@db:0/auth", "no port"),
        (f"postgresql+psycopg://auth:{SECRET}@db:99999/auth", "no port"),
        (f"postgresql+psycopg://auth:{SECRET}@a..b/auth", "cannot be"),
        (f"postgresql+psycopg://auth:{SECRET}@db name/auth", "cannot be"),
        (f"postgresql+psycopg://auth:{SECRET}@db/auth?prepare_threshold=0", "DATABASE_POOLER"),
        (f"postgresql+psycopg://auth:{SECRET}@db/auth?options=-csearch_path%3Dx", "options"),
        (f"postgresql+psycopg://auth:{SECRET}@db/auth?autocommit=true", "libpq"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////a/b?timeout=x", "a path only"),
    ]),
    *((BrokerUrl, url, told) for url, told in [
        ("rabbitmq", "does not begin with amqp:// or amqps://"),
        (f"http://imghost:{SECRET}@rabbitmq", "does not begin with"),
        (f"amqp://imghost:{SECRET}@", "names no host"),
        ("amqp:///%2F", "names no host"),
        (f"amqp://imghost:{SECRET}/x@rabbitmq/", "%40"),
        (f"amqp://imghost:{SECRET}#x@rabbitmq/", "%40"),
        (f"amqp://imghost:{SECRET}@rabbitmq:port/", "no port"),
        (f"amqp://imghost:{SECRET}@rabbitmq:70000/", "no port"),
        (f"amqp://imghost:{SECRET}@[::1/", "is no URL"),
        (f"amqp://imghost:{SECRET}@rabbitmq/?heartbeat={SECRET}", "option"),
        (f"amqp://imghost:{SECRET}@one/%2F,amqp://imghost:{SECRET}@two:port/%2F", "no port"),
        (f"amqp://imghost:{SECRET}@one/%2F,amqp://imghost:{SECRET}@/%2F", "names no host"),
        (f"amqp://imghost:{SECRET}@one:5672,two:5672/%2F", "no port"),
    ]),
    *((HttpUrl, url, told) for url, told in [
        ("cdn.example/", "does not begin with http:// or https://"),
        ("ftp://cdn.example/", "does not begin with"),
        ("http://", "names no host"),
        ("https:///pictures/", "names no host"),
        ("http://cdn.example:port/", "no port"),
        ("http://cdn .example/", "spaces"),
        ("http://cdn.example/?a=b", "no query"),
        (f"http://somebody:{SECRET}@cdn.example/", "no user name and password"),
    ]),
    (ServerUrl, "http://auth:8000/path", "takes no path"),
    (EndpointUrl, "http://s3_server:5000", "other characters"),
    (HostLabel, "us east 1", "letters, digits and hyphens"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "url"), GOOD)
def test_good_url_is_returned_unchanged(kind: type[object], url: str) -> None:
    taken = TypeAdapter(kind).validate_python(url)
    assert (taken.get_secret_value() if isinstance(taken, SecretStr) else taken) == url


@pytest.mark.parametrize(("kind", "url", "told"), BAD)
def test_bad_url_is_refused_in_a_sentence_that_shows_no_part_of_it(kind: type[object], url: str, told: str) -> None:
    with pytest.raises(ValidationError) as refused:
        TypeAdapter(kind).validate_python(url)
    (fault,) = refused.value.errors(include_url=False, include_input=False)
    assert told in fault["msg"]
    assert SECRET not in fault["msg"]


def test_slash_at_the_end_of_a_server_is_removed() -> None:
    assert TypeAdapter(ServerUrl).validate_python("http://auth:8000/") == "http://auth:8000"
