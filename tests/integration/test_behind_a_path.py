"""The gateway served below a path of a host, and behind a real nginx that compresses answers."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from clients import ValidatingClient
from nginx import nginx
from web_stack import ANNA, BUCKET, WebStack

COMPRESSING = """
    gzip on;
    gzip_proxied any;
    gzip_min_length 1;
    gzip_types application/json application/problem+json;
"""
PATHS = """
    location /pics/ {{
        proxy_pass {gateway};
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header Host $http_host;
    }}
    location /stripped/ {{
        proxy_pass {gateway}/;
        proxy_set_header X-Forwarded-Prefix /stripped;
    }}
"""


@pytest.fixture
def proxy(web_stack: WebStack, tmp_path: Path) -> Iterator[str]:
    """A running nginx: the gateway is behind its /pics/, and behind its /stripped/ with that path taken off."""
    with nginx(tmp_path, PATHS.format(gateway=web_stack.url()), COMPRESSING) as url:
        yield url


def walk(anna: ValidatingClient, prefix: str) -> None:
    """Create, list, show, change and delete; the client checks that all addresses in answers begin with the prefix."""
    for s3_key in ("dir/ä b%2F.jpg", "second.jpg"):
        registered = anna.post("/api/images", json={"s3_key": s3_key, "s3_bucket": BUCKET})
        assert registered.status == 201
        assert registered.headers["Location"] == registered.json()["uri"]
        assert registered.json()["uri"].startswith(f"{prefix}/api/images/")
    collection = anna.post("/api/collections", json={"name": "holidays"}).json()["uri"]
    for target in ("/api/images?limit=1", f"{collection}?limit=1"):
        page = anna.get(target)
        while page.next_page:
            assert page.next_page.startswith(f"{prefix}/api/")
            page = anna.get(page.next_page)
        assert page.status == 200
    member = f"{collection}/images/second.jpg"
    assert anna.put(member).json()["uri"] == f"{prefix}/api/images/second.jpg"
    assert anna.get(collection).json()["images"][0]["uri"] == f"{prefix}/api/images/second.jpg"
    once = {"Idempotency-Key": "a"}
    first, again = (anna.post("/api/collections", json={"name": "once"}, headers=once) for _ in range(2))
    assert first.body == again.body
    assert again.headers["Location"] == f"{prefix}/api/collections/once"
    made, named = (anna.post("/api/api-keys", headers=once) for _ in range(2))
    assert named.headers["Location"] == made.json()["uri"]
    key = anna.post("/api/api-keys").json()["uri"]
    etag = anna.get(key).headers["ETag"]
    assert anna.put(key, json={"description": "changed"}, headers={"If-Match": etag}).status == 200
    assert anna.delete(key, headers={"If-Match": etag}).status == 412
    assert anna.get(f"/api/users/{ANNA[0]}").json()["uri"] == f"{prefix}/api/users/{ANNA[0]}"
    assert anna.get("/api/images/no/such").json()["instance"] == f"{prefix}/api/images/no/such"
    assert anna.get("/api/nothing").json()["instance"] == f"{prefix}/api/nothing"
    assert anna.get("/api/openapi.json").json()["servers"][0]["url"] == prefix
    page_of_docs = requests.get(f"{anna.base_url}/api/docs", timeout=10).text
    for asset in ("docs/docs.js", "docs/swagger-ui.css"):
        assert f'"{asset}"' in page_of_docs
        assert requests.get(f"{anna.base_url}/api/{asset}", timeout=10).ok
    console = requests.get(f"{anna.base_url}/", timeout=10).text
    for asset in ("console/main.js", "console/base.css"):
        assert f'"{asset}"' in console
        assert requests.get(f"{anna.base_url}/{asset}", timeout=10).ok


def test_setting_shows_in_every_address_whether_the_proxy_takes_the_prefix_off_or_not(
    web_stack: WebStack, proxy: str
) -> None:
    web_stack.start_all(PATH_PREFIX="/pics")
    walk(web_stack.anna(f"{proxy}/pics"), "/pics")
    taken_off = requests.get(f"{web_stack.url()}/api/collections/holidays", auth=ANNA, timeout=10)
    assert taken_off.json()["uri"] == "/pics/api/collections/holidays"
    left_on = requests.get(f"{web_stack.url()}/pics/api/collections/holidays", auth=ANNA, timeout=10)
    assert left_on.content == taken_off.content
    # Where the operator has set the prefix, that of a header is ignored.
    forged = requests.get(
        f"{web_stack.url()}/api/images",
        auth=ANNA,
        params={"limit": 1},
        headers={"X-Forwarded-Prefix": "/x"},
        timeout=10,
    )
    assert forged.headers["Link"].startswith("</pics/api/images?")


def test_trusted_proxy_may_name_the_prefix(web_stack: WebStack, proxy: str) -> None:
    web_stack.start_all(TRUSTED_PROXIES="1")
    walk(web_stack.anna(f"{proxy}/stripped"), "/stripped")
    assert web_stack.anna().get("/api/collections/holidays").json()["uri"] == "/api/collections/holidays"
    smuggled = {"X-Forwarded-Prefix": "/x"}
    assert requests.get(f"{web_stack.url()}/x/api/c/holidays", headers=smuggled, timeout=10).status_code == 404
    # Caches between the proxy and the gateway keep the answers to different prefixes apart.
    assert "X-Forwarded-Prefix" in requests.get(f"{web_stack.url()}/api/c/holidays", timeout=10).headers["Vary"]


def test_nobody_else_may(web_stack: WebStack) -> None:
    web_stack.start_all()
    anna = web_stack.anna()
    told = {"X-Forwarded-Prefix": "/x", "X-Script-Name": "/x"}
    assert anna.post("/api/collections", json={"name": "a"}, headers=told).json()["uri"] == "/api/collections/a"
    assert anna.get("/x/api/collections/a", headers=told).status == 404


def test_tags_that_a_compressing_proxy_weakened_are_taken_for_the_same(web_stack: WebStack, proxy: str) -> None:
    web_stack.start_all(PATH_PREFIX="/pics")
    anna = web_stack.anna(f"{proxy}/pics")
    uri = anna.post("/api/images", json={"s3_key": "a.jpg", "s3_bucket": BUCKET}).json()["uri"]
    strong = anna.get(uri).headers["ETag"]
    read = requests.get(proxy + uri, auth=ANNA, headers={"Accept-Encoding": "gzip"}, timeout=10, stream=True)
    assert read.headers["Content-Encoding"] == "gzip"
    assert json.loads(gzip.decompress(read.raw.read()))["uri"] == uri
    weak = read.headers["ETag"]
    assert weak == f"W/{strong}", "nginx weakens the tag of what it compresses"
    assert anna.get(uri, headers={"If-None-Match": weak}).status == 304
    changed = anna.put(uri, json={"title": "new"}, headers={"If-Match": weak})
    assert (changed.status, changed.json()["title"]) == (200, "new")
    stale = anna.put(uri, json={"title": "newer"}, headers={"If-Match": weak})
    assert (stale.status, stale.code) == (412, "stale")
    assert (
        anna.delete(uri, headers={"If-Match": f'W/"other", W/{changed.headers["ETag"].removeprefix("W/")}'}).status
        == 204
    )


def test_tag_is_the_same_with_and_without_the_prefix(web_stack: WebStack) -> None:
    web_stack.start_all(TRUSTED_PROXIES="1")
    anna = web_stack.anna()
    uri = anna.post("/api/images", json={"s3_key": "a.jpg", "s3_bucket": BUCKET}).json()["uri"]
    behind = requests.get(web_stack.url() + uri, auth=ANNA, headers={"X-Forwarded-Prefix": "/pics"}, timeout=10)
    assert behind.json()["uri"] == f"/pics{uri}"
    assert urlsplit(behind.url).path == uri
    assert anna.delete(uri, headers={"If-Match": behind.headers["ETag"]}).status == 204
