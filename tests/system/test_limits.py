"""Limits of users on the compose stack: two replicas each of auth and catalog, which share PostgreSQL, hold one."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from clients import Answer, ValidatingClient, path
from containers import compose, compose_environment
from deadlines import until
from users import create_user

LIMITS = {
    "AUTH_REQUESTS_A_MINUTE": "400",
    "AUTH_WRITES_A_MINUTE": "60",
    "AUTH_API_KEYS_PER_USER": "3",
    "CATALOG_IMAGES_PER_USER": "4",
    "CATALOG_COLLECTIONS_PER_USER": "2",
}


def scale(env: Mapping[str, str], replicas: int) -> None:
    wanted = [word for service in ("auth", "catalog") for word in ("--scale", f"{service}={replicas}")]
    compose("up", "--wait", "--no-deps", *wanted, "auth", "catalog", env=env)


@pytest.fixture
def limited_stack(compose_stack: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The compose stack with limits, and two replicas of auth and of catalog."""
    env = compose_environment(compose_stack)
    try:
        scale({**env, **LIMITS}, 2)
        yield compose_stack
    finally:
        scale(env, 1)


def at_once(user: ValidatingClient, requests: list[Callable[[ValidatingClient], Answer]]) -> list[str]:
    """Send `requests` of `user` at the same time; return the code of each refusal, "" for what was not refused."""

    def send(request: Callable[[ValidatingClient], Answer]) -> str:
        client = ValidatingClient(user.base_url, user.auth)
        try:
            return request(client).code
        finally:
            client.close()

    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(send, requests))


def test_limits_hold_for_all_replicas_together(limited_stack: Mapping[str, str]) -> None:
    user = create_user(limited_stack)
    me = path("users", user.username)
    assert user.get(me).json()["limits"] == {
        "requests": 400,
        "writes": 60,
        "api_keys": 3,
        "images": 4,
        "bytes": None,
        "collections": 2,
    }
    for target, documents, most in (
        ("/api/images", [{"s3_key": f"{user.username}/{number}"} for number in range(12)], 4),
        ("/api/collections", [{"name": f"{user.username}-{number}"} for number in range(8)], 2),
        ("/api/api-keys", [{} for _ in range(8)], 3),
    ):
        codes = at_once(user, [partial(ValidatingClient.post, target=target, json=document) for document in documents])
        assert (codes.count(""), codes.count("quota-exceeded")) == (most, len(documents) - most), target
        assert len(user.get(target).json()) == most

    # 28 writes so far, and all replicas together let another 32 pass.
    key = path("images", f"{user.username}/none")
    codes = at_once(user, [partial(ValidatingClient.delete, target=key) for _ in range(60)])
    assert codes.count("image-not-found") <= 32
    assert set(codes) == {"image-not-found", "rate-limited"}
    refused = user.delete(key)
    assert refused.headers["RateLimit-Policy"] == '"requests";q=400;w=60, "writes";q=60;w=60'
    assert '"writes";r=0;t=' in refused.headers["RateLimit"]
    shown = user.get(me).json()
    assert {name: shown["use"][name] for name in ("api_keys", "images", "collections")} == {
        "api_keys": 3,
        "images": 4,
        "collections": 2,
    }
    wait_s = int(refused.headers["Retry-After"])
    assert 1 <= wait_s <= 60
    until(lambda: user.delete(key).code == "image-not-found", wait_s + 3, "the minute does not end")
    user.close()
