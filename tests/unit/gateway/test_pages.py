"""Pages, feeds and addresses hold whatever strangers have written, and nothing of it becomes more than text."""

import re
import xml.etree.ElementTree as ET
from typing import Any

import feedparser
import html5lib
import pytest
from flask import Flask
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.services import Answer
from gateway.web.pages import rendering, site
from gateway.web.pages.shown import Album, Picture
from gateway.web.pages.views import Presenter

PUBLIC = "https://pics.example/below"
HTML = "{http://www.w3.org/1999/xhtml}"
ATOM = "{http://www.w3.org/2005/Atom}"
HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onload='alert(1)",
    "</title><script>",
    "]]><x/>",
    "&lt;b&gt; &amp;",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "\x00\x01\x0b\x7f\x85\ufffe\U0001ffff\ud800",
    "a\r\nb\rc",
    "\u202egnp.exe",
]
TEXTS = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=60))
KEYS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).map(
    lambda text: re.sub("/+", "/", text).strip("/") or "a"
)


def image(s3_key: str, title: str, description: str, **members: Any) -> dict[str, Any]:
    url = f"https://s3.example/imghost/{site.image_path(s3_key).removeprefix('/i/')}"
    return {
        "url": url,
        "s3_key": s3_key,
        "title": title,
        "description": description,
        "size": {"width": 1920, "height": 1080},
        "colors": ["#6c5378"],
        "thumbs": [{"size": {"width": n, "height": n // 2}, "url": f"{url}?{n}"} for n in (64, 512)],
        "status": "ready",
        "date_created": "2026-11-23T19:03:50.780288+00:00",
        "date_updated": "2026-11-23T19:03:51.780288+00:00",
        **members,
    }


def collection(title: str, *images: dict[str, Any], **members: Any) -> dict[str, Any]:
    moment = "2026-11-23T19:03:50.780288+00:00"
    return {"name": "cats", "title": title, "description": title, "date_created": moment, "images": images, **members}


def rendered(kind: str, document: dict[str, Any], link: str = "") -> str:
    """Return what the presenter `kind` makes of catalog's answer."""
    answer = Answer("catalog", 200, {"link": link} if link else {}, Flask("json").json.dumps(document).encode())
    with Flask("pages").test_request_context():
        text: str = getattr(Presenter(PUBLIC), kind)(answer).get_data(as_text=True)
    return text


def parsed(page: str) -> ET.Element:
    """Return the tree of a page that is valid to the letter."""
    tree: ET.Element = html5lib.HTMLParser(strict=True, tree=html5lib.getTreeBuilder("etree")).parse(page)
    return tree


def texts(tree: ET.Element, tag: str) -> list[str]:
    return ["".join(element.itertext()) for element in tree.iter(f"{HTML}{tag}")]


@settings(max_examples=60, deadline=None)
@given(KEYS, TEXTS, TEXTS)
def test_what_a_stranger_has_written_is_text_on_a_page(s3_key: str, title: str, description: str) -> None:
    shown = image(s3_key, title, description)
    pages = [
        rendered("image", shown),
        rendered("member", {"collection": collection(title), "image": shown, "previous": s3_key, "next": s3_key}),
        rendered("collection", collection(title, shown)),
    ]
    for page in pages:
        tree = parsed(page)
        scripts = list(tree.iter(f"{HTML}script"))
        assert [script.attrib for script in scripts] == [{"src": "/pages/pages.js", "defer": ""}]
        assert not texts(tree, "style")
        for element in tree.iter():
            assert not [name for name in element.attrib if name.startswith("on") or name == "style"]
            for name in {"src", "href"} & set(element.attrib):
                assert element.attrib[name].startswith(("/", "https://"))
    assert texts(parsed(pages[0]), "h1") == [rendering.fit(title or s3_key.rpartition("/")[2])]


@settings(max_examples=60, deadline=None)
@given(KEYS, TEXTS, TEXTS)
def test_what_a_stranger_has_written_is_text_in_a_feed(s3_key: str, title: str, description: str) -> None:
    text = rendered("feed", collection(title, image(s3_key, title, description)))
    root = ET.fromstring(text)  # noqa: S314 - our own
    (entry,) = root.findall(f"{ATOM}entry")
    assert entry.findtext(f"{ATOM}title") == rendering.fit(title or s3_key.rpartition("/")[2])
    assert not list(root.iter(f"{HTML}script"))
    read = feedparser.parse(text)
    assert not read.bozo, read.bozo_exception
    assert read.entries[0].link == f"{PUBLIC}{site.member_path('cats', s3_key)}"


@given(KEYS)
def test_every_key_has_an_address_that_leads_back_to_it(s3_key: str) -> None:
    assert site.target_of(PUBLIC + site.image_path(s3_key), PUBLIC) == site.Target(s3_key=s3_key)
    assert site.target_of(PUBLIC + site.member_path("cats", s3_key), PUBLIC) == site.Target(s3_key, "cats")


def test_only_addresses_of_this_installation_are_pages() -> None:
    assert site.target_of("HTTPS://Pics.Example:443/below/c/cats?x=1#y", PUBLIC) == site.Target(name="cats")
    for url in (
        "https://pics.example/c/cats",
        "https://pics.example.evil.example/below/c/cats",
        "https://pics.example@evil.example/below/c/cats",
        "http://pics.example/below/c/cats",
        "https://pics.example:444/below/c/cats",
        "https://pics.example/belowc/cats",
        "https://pics.example/below/api/i/a",
        "https://pics.example/below/i/",
        "https://pics.example/below/c/",
        "https://pics.example/below/i/%FF",
        "https://pics.example/below",
        "/below/c/cats",
        "//[",
        "",
    ):
        assert site.target_of(url, PUBLIC) is None, url


def test_policy_names_where_pictures_are_and_nothing_that_could_end_it() -> None:
    policy = rendering.policy(
        ["https://s3.example/a;script-src *", "http://[::1]:9000/x", "javascript:x", "https://a b/"]
    )
    assert "img-src 'self' http://[::1]:9000 https://s3.example;" in policy
    assert "unsafe" not in policy
    assert policy.count(";") == 7 - 1


@pytest.mark.parametrize(("status", "told"), [("failed", "could not be read"), ("pending", "is being prepared")])
def test_an_image_without_thumbs_says_why(status: str, told: str) -> None:
    bare = image("a.jpg", "t", "", status=status, size=None, colors=[], thumbs=[])
    for page in (rendered("image", bare), rendered("collection", collection("c", bare))):
        assert told in page
        assert "<img" not in page
        parsed(page)


def test_the_original_is_offered_where_it_is_larger_than_all_thumbs() -> None:
    page = rendered("image", image("a b.jpg", "t", ""))
    assert "https://s3.example/imghost/a%20b.jpg 1920w" in page
    small = image("a.jpg", "t", "", size={"width": 512, "height": 256})
    assert " 512w" in Picture(small, "").whole_srcset
    assert "a.jpg 512w" not in Picture(small, "").whole_srcset


def test_the_display_picture_is_shown_instead_of_the_original_where_there_is_one() -> None:
    address = "https://cdn.example/t2048/a.heic"
    scan = image("a.heic", "t", "", display={"size": {"width": 1600, "height": 900}, "url": address})
    page = rendered("image", scan)
    assert f"{address} 1600w" in page
    assert "a.heic 1920w" not in page
    assert "https://cdn.example" in rendering.policy(Picture(scan, "").addresses)
    [entry] = feedparser.parse(rendered("feed", collection("c", scan))).entries
    assert [each.href for each in entry.enclosures] == [address]
    [entry] = feedparser.parse(rendered("feed", collection("c", image("a.jpg", "t", "", display=None)))).entries
    assert [each.href for each in entry.enclosures] == ["https://s3.example/imghost/a.jpg"]


def test_cover_stands_for_a_collection_and_else_its_first_picture() -> None:
    one, two = (Picture(image(name, "", ""), "") for name in ("one", "two"))
    bare = Picture(image("bare", "", "", thumbs=[]), "")
    assert Album(collection("c", cover="two"), [bare, one, two]).cover is two
    assert Album(collection("c", cover="elsewhere"), [bare, one, two]).cover is one
    assert Album(collection("c"), [bare]).cover is None


def test_grid_has_a_class_for_every_ratio_of_sides() -> None:
    style = rendering.asset("pages.css").decode()
    for width, height in ((1, 1000), (1000, 1), (3, 2), (2, 3), (1, 1)):
        picture = Picture(image("a", "", "", thumbs=[{"size": {"width": width, "height": height}, "url": "u"}]), "")
        assert f".r{picture.tenths} {{" in style


def test_feed_tells_when_something_was_changed_for_the_last_time() -> None:
    later, earlier = (f"2026-11-2{day}T00:00:00+00:00" for day in (5, 4))
    text = rendered(
        "feed", collection("c", image("b", "", "", date_updated=later), image("a", "", "", date_updated=earlier))
    )
    read = feedparser.parse(text)
    assert read.feed.updated == later
    assert [entry.updated for entry in read.entries] == [later, earlier]
