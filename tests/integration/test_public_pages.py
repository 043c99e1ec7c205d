"""Pages, feeds and oEmbed at the gateway, with catalog behind it: addresses, paging, caching, and what is off."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import feedparser
import html5lib
import pytest

import ready_images
from catalog.domain import Image, Thumb
from chassis.clock import now
from clients import Answer, ValidatingClient
from deadlines import until
from ready_images import changed_at, pending_image, ready_image
from web_stack import WebStack

PUBLIC = "https://pics.example"
HTML = "{http://www.w3.org/1999/xhtml}"
KEYS = ["dir/ä b%2F.jpg", "a+b.jpg", "what?.jpg", "tag#1.jpg", "100%25.jpg", "back\\slash", "🏔/x.jpg", "feed", "x.atom"]
MEMBERS = [ready_image(key, f"Picture <{number}>", "Two\nlines & more") for number, key in enumerate(KEYS)]
COLLECTION = ready_images.collection("cats", "Cats & <dogs>", "All of them.", cover=MEMBERS[3])


@pytest.fixture(scope="module")
def stack(prepared_web_stack: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebStack]:
    """The services, with the collection `cats`, an image beside it, and one that is pending; tests only read."""
    with WebStack.copied(prepared_web_stack, tmp_path_factory.mktemp("pages") / "stack") as copied:
        yield started(copied)


@pytest.fixture
def own_stack(web_stack: WebStack) -> WebStack:
    """The same, of the test's own."""
    return started(web_stack)


def started(stack: WebStack) -> WebStack:
    others = [ready_image("alone.jpg"), scan("scan.tif"), pending_image("pending.jpg")]
    ready_images.fill(stack.folder / "catalog.db", COLLECTION, MEMBERS, others)
    stack.start_all(PUBLIC_URL=f"{PUBLIC}/")
    return stack


def scan(key: str) -> Image:
    """Return an image with a display picture."""
    image = ready_image(key)
    assert image.picture is not None
    return replace(image, picture=replace(image.picture, display=Thumb(2048, 1920, 1080)))


@pytest.fixture(scope="module")
def anyone(stack: WebStack) -> ValidatingClient:
    return ValidatingClient(stack.url())


def tree(answer: Answer) -> ET.Element:
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    parsed: ET.Element = html5lib.HTMLParser(strict=True, tree=html5lib.getTreeBuilder("etree")).parse(
        answer.body.decode()
    )
    return parsed


def linked(page: ET.Element, relation: str) -> str | None:
    """Return where the link `relation` in the head of `page` leads, None if there is none."""
    found = [link.attrib["href"] for link in page.iter(f"{HTML}link") if link.attrib["rel"] == relation]
    assert len(found) <= 1
    return found[0] if found else None


def meta(page: ET.Element, name: str) -> str | None:
    elements = (each.attrib for each in page.iter(f"{HTML}meta"))
    return next((each["content"] for each in elements if name in {each.get("property"), each.get("name")}), None)


@pytest.mark.parametrize("s3_key", [*KEYS, "alone.jpg", "pending.jpg"])
def test_page_of_an_image_tells_what_the_api_tells(anyone: ValidatingClient, s3_key: str) -> None:
    target = quote(s3_key, safe="/")
    told, page = anyone.get(f"/api/i/{target}").json(), tree(anyone.get(f"/i/{target}"))
    title = told["title"] or s3_key
    assert ["".join(each.itertext()) for each in page.iter(f"{HTML}h1")] == [title]
    assert meta(page, "og:title") == title
    assert meta(page, "og:url") == linked(page, "canonical") == f"{PUBLIC}/i/{target}"
    assert meta(page, "og:image") == (told["thumbs"][-1]["url"] if told["thumbs"] else None)
    assert linked(page, "next") is linked(page, "prev") is None


def test_pages_of_a_collection_are_followed_through_all_of_it(anyone: ValidatingClient) -> None:
    shown, target = [], "/c/cats?limit=4&utm_source=mail"
    while target:
        page = tree(anyone.get(target))
        items = list(page.iter(f"{HTML}li"))
        shown += [each.attrib["href"] for item in items for each in item.iter(f"{HTML}a")]
        target = linked(page, "next") or ""
    assert shown == [f"/c/cats/{quote(key, safe='/')}" for key in KEYS]
    assert meta(page, "og:title") == "Cats & <dogs>"


def test_an_image_of_a_collection_leads_to_those_beside_it(anyone: ValidatingClient) -> None:
    shown, target = [], f"/c/cats/{quote(KEYS[0], safe='/')}"
    before = None
    while target:
        shown.append(target)
        page = tree(anyone.get(target))
        assert linked(page, "prev") == before
        before, target = target, linked(page, "next") or ""
    assert shown == [f"/c/cats/{quote(key, safe='/')}" for key in KEYS]
    assert linked(page, "canonical") == f"{PUBLIC}/i/x.atom"


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("/i/none", 404),
        ("/i/t64/a.jpg", 404),
        ("/i/%FF", 400),
        ("/c/none", 404),
        ("/c/no%20such", 404),
        ("/c/none.atom", 404),
        ("/c/cats/none", 404),
        ("/c/cats/alone.jpg", 404),  # is no member
        ("/c/none/alone.jpg", 404),
        ("/c/cats?limit=0", 422),
        ("/c/cats?cursor=x", 422),
        ("/c/cats.atom?cursor=x", 422),
    ],
)
def test_errors_are_pages_too(anyone: ValidatingClient, target: str, status: int) -> None:
    answer = anyone.get(target)
    assert answer.status == status
    tree(answer)
    assert answer.headers["Cache-Control"] == "no-store"
    assert anyone.head(target).status == status


def test_other_methods_are_refused_on_a_page(anyone: ValidatingClient) -> None:
    answer = anyone.post("/c/cats")
    assert answer.status == 405
    assert {name.strip() for name in answer.headers["Allow"].split(",")} == {"GET", "HEAD"}
    tree(answer)


@pytest.mark.parametrize("target", ["/i/alone.jpg", "/c/cats", "/c/cats?limit=2", "/c/cats/feed", "/c/cats.atom"])
def test_pages_are_kept_like_other_public_answers(anyone: ValidatingClient, target: str) -> None:
    first = anyone.get(target)
    assert first.headers["Cache-Control"] == "public, max-age=10"
    assert first.headers["X-Content-Type-Options"] == "nosniff"
    assert first.headers["Set-Cookie"] is None
    assert "script-src 'self';" in first.headers["Content-Security-Policy"]
    for known in (first.headers["ETag"], "*", f'"other", W/{first.headers["ETag"]}'):
        again = anyone.get(target, headers={"If-None-Match": known})
        assert (again.status, again.body) == (304, b"")
    assert anyone.get(target, headers={"If-None-Match": '"other"'}).status == 200
    head = anyone.head(target)
    assert (head.headers["ETag"], head.body) == (first.headers["ETag"], b"")


def test_without_memory_pages_are_the_same(own_stack: WebStack) -> None:
    kept = ValidatingClient(own_stack.url()).get("/c/cats")
    own_stack.start("gateway", PUBLIC_URL=PUBLIC, PUBLIC_CACHE_BYTES="0")
    anyone = ValidatingClient(own_stack.url())
    fresh = anyone.get("/c/cats")
    assert (fresh.body, fresh.headers["ETag"]) == (kept.body, kept.headers["ETag"])
    for known in (fresh.headers["ETag"], "*", f'"other", W/{fresh.headers["ETag"]}'):
        answer = anyone.get("/c/cats", headers={"If-None-Match": known})
        assert answer.status == 304
        assert answer.headers["Content-Security-Policy"] is None  # else a browser would put it in place of the page's


def test_tag_of_a_page_changes_with_what_its_addresses_begin_with(own_stack: WebStack) -> None:
    before = ValidatingClient(own_stack.url()).get("/i/alone.jpg").headers["ETag"]
    own_stack.start("gateway", PUBLIC_URL="https://other.example")
    answer = ValidatingClient(own_stack.url()).get("/i/alone.jpg", headers={"If-None-Match": before})
    assert answer.status == 200
    assert b"https://other.example/i/alone.jpg" in answer.body


def test_a_change_shows_within_a_second(own_stack: WebStack) -> None:
    stack_client = own_stack.anna()
    assert stack_client.post("/api/images", json={"s3_key": "mine.jpg"}).status == 201
    assert b'<h1 dir="auto">mine.jpg</h1>' in stack_client.get("/i/mine.jpg").body
    assert stack_client.put("/api/images/mine.jpg", json={"title": "New"}).status == 200
    until(lambda: b'<h1 dir="auto">New</h1>' in stack_client.get("/i/mine.jpg").body, 5, "the title does not show")


def test_addresses_are_those_that_the_operator_set_whatever_host_is_named(stack: WebStack) -> None:
    anyone = ValidatingClient(stack.url())
    for target in ("/i/alone.jpg", "/c/cats", "/c/cats.atom", f"/api/oembed?url={PUBLIC}/i/alone.jpg"):
        answer = anyone.get(target, headers={"Host": "evil.example", "X-Forwarded-Host": "evil.example"})
        assert PUBLIC in answer.body.decode()
        assert "evil.example" not in answer.body.decode()


def test_without_an_address_there_are_pages_and_nothing_that_needs_one(own_stack: WebStack) -> None:
    own_stack.start("gateway")
    anyone = ValidatingClient(own_stack.url())
    page = tree(anyone.get("/c/cats"))
    assert linked(page, "canonical") is linked(page, "alternate") is meta(page, "og:url") is None
    assert anyone.get("/c/cats.atom").status == 404
    assert anyone.get("/api/oembed?url=https://pics.example/c/cats").code == "not-found"


def test_pages_can_be_switched_off(own_stack: WebStack) -> None:
    own_stack.start("gateway", PUBLIC_PAGES="false", PUBLIC_URL=PUBLIC)
    anyone = ValidatingClient(own_stack.url())
    assert anyone.get("/api/c/cats").status == 200
    connection = ValidatingClient(own_stack.url())
    for target in ("/i/alone.jpg", "/c/cats", "/c/cats.atom", "/c/cats/feed", "/pages/pages.css"):
        status, code = raw(connection, target)
        assert (status, code) == (404, "not-found")


def raw(client: ValidatingClient, target: str) -> tuple[int, str]:
    """Return status and code of an answer without holding it against the document."""
    answer = client._exchange("GET", target, {}, None)  # noqa: SLF001
    return answer.status, json.loads(answer.body)["code"]


def test_below_a_path_all_addresses_begin_with_it(own_stack: WebStack) -> None:
    own_stack.start("gateway", PATH_PREFIX="/pics", PUBLIC_URL=f"{PUBLIC}/pics")
    anyone = ValidatingClient(f"{own_stack.url()}/pics")
    for target in ("/c/cats", "/c/cats/feed", "/i/alone.jpg", "/i/none"):
        answer = anyone.get(target)
        page = tree(answer)
        for element in page.iter():
            for name in {"href", "src"} & set(element.attrib):
                own = urlsplit(element.attrib[name])
                assert own.path.startswith("/pics/") or own.netloc == "s3.amazonaws.com", element.attrib
    feed = feedparser.parse(anyone.get("/c/cats.atom").body)
    assert feed.feed.link == f"{PUBLIC}/pics/c/cats"
    assert anyone.get(f"/api/oembed?url={PUBLIC}/pics/c/cats").json()["title"] == "Cats & <dogs>"
    assert anyone.get(f"/api/oembed?url={PUBLIC}/c/cats").status == 404


# --- feeds ---


def test_feed_has_the_last_images_first_and_leads_to_the_others(anyone: ValidatingClient) -> None:
    shown, target, ids = [], "/c/cats.atom?limit=4", set()
    while target:
        answer = anyone.get(target)
        assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
        feed = feedparser.parse(answer.body)
        assert not feed.bozo
        assert feed.version == "atom10"
        ids.add(feed.feed.id)
        shown += [entry.link for entry in feed.entries]
        assert all(entry.id == entry.link for entry in feed.entries)
        links = {link.rel: link.href for link in feed.feed.links}
        assert links["self"].startswith(f"{PUBLIC}/c/cats.atom")
        target = links.get("next", "").removeprefix(PUBLIC)
    assert shown == [f"{PUBLIC}/c/cats/{quote(key, safe='/')}" for key in reversed(KEYS)]
    assert ids == {f"{PUBLIC}/c/cats"}


def test_feed_tells_of_a_change(web_stack: WebStack) -> None:
    changed = now() + timedelta(minutes=1)
    members = [ready_image("a.jpg"), changed_at(ready_image("b.jpg"), changed), ready_image("c.jpg")]
    ready_images.fill(web_stack.folder / "catalog.db", ready_images.collection("c"), members)
    web_stack.start_all(PUBLIC_URL=PUBLIC)
    feed = feedparser.parse(ValidatingClient(web_stack.url()).get("/c/c.atom").body)
    assert feed.feed.updated == feed.entries[1].updated == changed.isoformat()
    assert feed.entries[0].updated < feed.entries[1].updated


def test_feed_of_an_empty_collection_is_one(web_stack: WebStack) -> None:
    web_stack.start_all(PUBLIC_URL=PUBLIC)
    anna = web_stack.anna()
    assert anna.post("/api/collections", json={"name": "empty"}).status == 201
    feed = feedparser.parse(anna.get("/c/empty.atom").body)
    assert not feed.bozo
    assert (feed.entries, feed.feed.title) == ([], "empty")
    assert "no picture here" in anna.get("/c/empty").body.decode()


# --- oEmbed ---


def oembed(anyone: ValidatingClient, path: str, further: str = "") -> Answer:
    return anyone.get(f"/api/oembed?url={quote(PUBLIC + path, safe='')}{further}")


def test_oembed_of_an_image_is_a_photo_that_fits(anyone: ValidatingClient) -> None:
    told = anyone.get("/api/i/alone.jpg").json()
    sizes = {}
    for further in ("", "&maxwidth=300", "&maxheight=100&format=json", "&maxwidth=10"):
        document = oembed(anyone, "/i/alone.jpg", further).json()
        assert (document["type"], document["version"], document["title"]) == ("photo", "1.0", "alone.jpg")
        assert document["url"] in {thumb["url"] for thumb in told["thumbs"]}
        sizes[further] = document["width"], document["height"]
    assert sizes == {
        "": (512, 288),
        "&maxwidth=300": (256, 144),
        "&maxheight=100&format=json": (128, 72),
        "&maxwidth=10": (10, 5),
    }


def test_oembed_of_an_image_with_a_display_picture_shows_that_where_it_fits(anyone: ValidatingClient) -> None:
    display = anyone.get("/api/i/scan.tif").json()["display"]
    assert (display["size"]["width"], display["url"].rsplit("/", 2)[1:]) == (1920, ["t2048", "scan.tif"])
    document = oembed(anyone, "/i/scan.tif").json()
    assert (document["url"], document["width"], document["height"]) == (display["url"], 1920, 1080)
    assert document["thumbnail_url"].endswith("/t512/scan.tif")
    assert oembed(anyone, "/i/scan.tif", "&maxwidth=1919").json()["url"].endswith("/t512/scan.tif")


@pytest.mark.parametrize("s3_key", KEYS)
def test_page_of_an_image_names_an_oembed_address_that_leads_to_it(anyone: ValidatingClient, s3_key: str) -> None:
    page = tree(anyone.get(f"/c/cats/{quote(s3_key, safe='/')}"))
    found = linked(page, "alternate") or ""
    assert found.startswith(f"{PUBLIC}/api/oembed?url=")
    document = anyone.get(found.removeprefix(PUBLIC)).json()
    assert document["url"] == anyone.get(f"/api/i/{quote(s3_key, safe='/')}").json()["thumbs"][-1]["url"]


def test_oembed_of_a_collection_is_a_link_with_its_cover(anyone: ValidatingClient) -> None:
    document = oembed(anyone, "/c/cats", "&maxwidth=256").json()
    assert (document["type"], document["title"]) == ("link", "Cats & <dogs>")
    assert document["thumbnail_url"].endswith("/t256/tag%231.jpg")
    assert (document["thumbnail_width"], document["thumbnail_height"]) == (256, 144)


def test_oembed_of_an_image_without_thumbs_is_a_link(anyone: ValidatingClient) -> None:
    document = oembed(anyone, "/i/pending.jpg").json()
    assert document["type"] == "link"
    assert "url" not in document


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("", 422, "invalid-fields"),
        (f"?url={PUBLIC}/i/alone.jpg&maxwidth=0", 422, "invalid-fields"),
        (f"?url={PUBLIC}/i/alone.jpg&maxheight=-1", 422, "invalid-fields"),
        (f"?url={PUBLIC}/i/alone.jpg&maxheight={'9' * 5000}", 422, "invalid-fields"),
        (f"?url={PUBLIC}/i/alone.jpg&format=xml", 501, "not-implemented"),
        (f"?url={PUBLIC}/i/none", 404, "image-not-found"),
        (f"?url={PUBLIC}/c/none", 404, "collection-not-found"),
        (f"?url={PUBLIC}/api/docs", 404, "not-found"),
        ("?url=http://127.0.0.1:1/i/alone.jpg", 404, "not-found"),
        ("?url=file:///etc/passwd", 404, "not-found"),
    ],
)
def test_oembed_refuses_what_is_no_page_of_ours(anyone: ValidatingClient, query: str, status: int, code: str) -> None:
    answer = anyone.get(f"/api/oembed{query}")
    assert (answer.status, answer.code) == (status, code)
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_oembed_may_be_read_by_every_web_page_and_is_kept(anyone: ValidatingClient) -> None:
    first = oembed(anyone, "/c/cats")
    assert first.headers["Cache-Control"] == "public, max-age=10"
    answer = anyone.get(f"/api/oembed?url={PUBLIC}/c/cats", headers={"If-None-Match": first.headers["ETag"]})
    assert answer.status == 304
    assert anyone.options("/api/oembed").status == 204


# --- what is seen of it ---


def test_requests_for_pages_are_logged_with_their_routes(stack: WebStack) -> None:
    anyone = ValidatingClient(stack.url())
    for target in (
        "/i/alone.jpg",
        "/i/alone.jpg",
        "/c/cats",
        "/c/cats.atom",
        "/c/cats/feed",
        "/c/none",
        "/pages/pages.css",
    ):
        anyone.get(target)
    routes = [line["route"] for line in stack.lines("gateway", "request") if not line["route"].startswith("/api")]
    image, collection = "/i/<key:s3_key>", "/c/<segment:name>"
    assert routes[-7:] == [
        image, image, collection, f"{collection}.atom", f"{collection}/<key:s3_key>", collection, "/pages/<asset>"
    ]  # fmt: skip


def test_style_and_script_are_all_that_a_page_loads_from_here(anyone: ValidatingClient) -> None:
    page = anyone.get("/c/cats").body.decode()
    assert set(re.findall(r'(?:src|href)="(/pages/[^"]+)"', page)) == {
        "/pages/icon.svg", "/pages/pages.css", "/pages/pages.js"
    }  # fmt: skip
    for asset in ("icon.svg", "pages.css", "pages.js"):
        assert anyone.get(f"/pages/{asset}").status == 200
    assert anyone.get("/pages/none").status == 404


def test_image_that_is_taken_down_is_gone_at_every_public_address(own_stack: WebStack) -> None:
    key, url = "a+b.jpg", f"{own_stack.url()}"
    anyone = ValidatingClient(url)
    oembed = {"url": f"{PUBLIC}/i/{quote(key)}"}
    shown = [f"/api/i/{quote(key)}", f"/i/{quote(key)}", f"/c/cats/{quote(key)}"]
    tag = anyone.get(shown[0]).headers["ETag"]
    assert {anyone.get(path).status for path in shown} == {200}
    own_stack.run("catalog", "takedown", key, "--reason", "a complaint")
    until(lambda: anyone.get(shown[0]).status == 410, 1, "it is shown for longer than the gateway remembers")
    answer = anyone.get(shown[0], headers={"If-None-Match": tag})
    assert (answer.status, answer.code) == (410, "image-taken-down")
    assert "X-Accel-Expires" not in answer.headers
    until(lambda: {anyone.get(path).status for path in shown} == {410}, 1, "a page shows it")
    assert anyone.get("/api/oembed", params=oembed).status == 410
    assert key not in {image["s3_key"] for image in anyone.get("/api/c/cats").json()["images"]}
    assert quote(key) not in anyone.get("/c/cats").body.decode()
    assert quote(key) not in anyone.get("/c/cats.atom").body.decode()
    own_stack.run("catalog", "takedown", key, "--undo")
    until(lambda: anyone.get(shown[0]).status == 200, 1, "it does not come back")
