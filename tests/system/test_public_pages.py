"""Public pages on a running stack: what they show of real pictures, and how they behave in a real browser."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
import requests
from selenium.webdriver.common.keys import Keys

from clients import Register, ValidatingClient, path
from console.browser import Browser, browser, install_axe, pretty
from deadlines import until
from pictures import photo

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SIZES = [(1200, 800), (600, 900), (64, 48)]


@pytest.fixture(scope="module")
def collection(alice: ValidatingClient, register: Register) -> str:
    """The name of a collection with three pictures and one that browsers do not show."""
    name = f"pages{os.urandom(4).hex()}"
    assert alice.post("/api/collections", json={"name": name}).status == 201
    contents = [photo(*size) for size in SIZES] + [photo(700, 500, "TIFF")]
    for number, content in enumerate(contents):
        s3_key = f"{name}/ä {number}+.jpg"
        register(s3_key, content, title=f"Picture {number}")
        assert alice.settled(s3_key)["status"] == "ready"
        assert alice.put(path("collections", name, "images", s3_key)).status == 200
    return name


@pytest.fixture(scope="module")
def window(anyone: ValidatingClient) -> Iterator[Browser]:
    install_axe()
    with browser(anyone.base_url) as shown:
        yield shown


@pytest.fixture
def member(anyone: ValidatingClient, collection: str) -> list[str]:
    """The addresses of the pages of the pictures, in their order."""
    images = anyone.get(path("c", collection)).json()["images"]
    return [anyone.base_url + path("c", collection, image["s3_key"]).removeprefix("/api") for image in images]


def shown_width(window: Browser, selector: str) -> int:
    """Return the width of the picture that the browser has chosen, 0 while it has none."""
    script = f"const shown = document.querySelector('{selector}'); return shown.complete ? shown.naturalWidth : 0"
    return int(window.run(script))


def chosen(window: Browser) -> str:
    """Return the address of the picture that the browser has chosen on the page of an image."""
    return str(window.run("return document.querySelector('.picture img').currentSrc"))


def test_pictures_of_a_collection_are_there_at_the_addresses_of_its_page(
    anyone: ValidatingClient, window: Browser, collection: str
) -> None:
    window.driver.get(f"{anyone.base_url}/c/{collection}")
    loaded = "return [...document.images].every((each) => each.complete && each.naturalWidth > 0)"
    until(lambda: window.run(loaded), 20, "not all pictures are loaded")
    assert window.run("return document.images.length") == len(SIZES) + 1
    assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    assert window.complaints() == []


def test_a_picture_gets_as_sharp_as_its_original(window: Browser, member: list[str]) -> None:
    window.driver.get(member[0])
    until(
        lambda: shown_width(window, ".picture img") and "/t512/" not in chosen(window), 20, "the original is not shown"
    )


def test_where_a_browser_cannot_show_the_original_its_display_picture_is_shown(
    window: Browser, member: list[str]
) -> None:
    window.driver.get(member[3])
    until(
        lambda: shown_width(window, ".picture img") > 0 and "/t2048/" in chosen(window),
        20,
        "the display picture is not shown",
    )
    assert window.complaints() == []


def test_where_the_original_is_gone_the_thumb_stays(
    window: Browser, anyone: ValidatingClient, alice: ValidatingClient, register: Register, s3: "S3Client", bucket: str
) -> None:
    s3_key = f"{os.urandom(4).hex()}/gone.jpg"
    register(s3_key, photo(1200, 800))
    assert alice.settled(s3_key)["status"] == "ready"
    s3.delete_object(Bucket=bucket, Key=s3_key)
    window.driver.get(anyone.base_url + path("i", s3_key).removeprefix("/api"))
    tried = "return performance.getEntriesByType('resource').filter((each) => each.name.endsWith('gone.jpg')).length"
    until(lambda: window.run(tried) >= 2, 20, "the original is not asked for")
    until(lambda: shown_width(window, ".picture img") > 0, 20, "nothing is shown")
    assert "/t512/" in chosen(window)
    window.complaints()  # of the original, which it lacks


def test_arrow_keys_lead_through_a_collection(window: Browser, member: list[str]) -> None:
    window.driver.get(member[0])
    for key, address in [(Keys.ARROW_RIGHT, member[1]), (Keys.ARROW_RIGHT, member[2]), (Keys.ARROW_LEFT, member[1])]:
        window.driver.switch_to.active_element.send_keys(key)
        until(lambda: window.driver.current_url == address, 20, f"{window.driver.current_url} instead of {address}")  # noqa: B023


def swipe(window: Browser, left: int) -> None:
    """Move a finger over the picture, so many pixels to the left, or to the right if they are negative."""
    points = [[{"x": 200 - left * step / 4, "y": 300}] for step in range(5)]
    kinds = ["touchStart", *["touchMove"] * 4]
    for kind, touching in [*zip(kinds, points, strict=True), ("touchEnd", [])]:
        window.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": touching})


def test_swipes_lead_through_a_collection_on_a_phone(window: Browser, member: list[str]) -> None:
    window.resize(390, 844)
    window.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        window.driver.get(member[0])
        for left, address in [(120, member[1]), (120, member[2]), (-120, member[1])]:
            swipe(window, left)
            until(lambda: window.driver.current_url == address, 20, f"{window.driver.current_url}, not {address}")  # noqa: B023
        assert window.run("return document.documentElement.scrollWidth <= innerWidth")
    finally:
        window.driver.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        window.resize(1280, 800)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_that_keeps_people_from_reading(
    anyone: ValidatingClient, window: Browser, collection: str, member: list[str], theme: str
) -> None:
    window.theme(theme)
    found = []
    for address in (f"{anyone.base_url}/c/{collection}", member[0], f"{anyone.base_url}/c/{collection}/nothing"):
        window.driver.get(address)
        found += [f"{address}: {violation}" for violation in window.violations()]
    assert found == [], pretty(found)


def test_no_layout_moves_while_pictures_come(anyone: ValidatingClient, window: Browser, collection: str) -> None:
    observe = "new PerformanceObserver((list) => (window.moved ??= []).push(...list.getEntries().map((e) => e.value)))"
    window.driver.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": f"{observe}.observe({{type: 'layout-shift', buffered: true}})"},
    )
    window.driver.get(f"{anyone.base_url}/c/{collection}")
    until(lambda: shown_width(window, ".grid img") > 0, 20, "nothing is shown")
    assert sum(window.run("return window.moved ?? []")) < 0.01


def test_previews_name_pictures_that_are_there(anyone: ValidatingClient, collection: str) -> None:
    page = anyone.get(f"/c/{collection}").body.decode()
    address = page.partition('property="og:image" content="')[2].partition('"')[0]
    answer = requests.get(address, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
