"""Public pages on a running stack: what they show of real pictures, and how they behave in a real browser."""

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.keys import Keys

from clients import Register, ValidatingClient, path
from deadlines import until
from pictures import photo

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
def window() -> Iterator[Chrome]:
    """A browser of the distribution, without a window."""
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        pytest.skip("Chromium is not installed (apt install chromium chromium-driver)")
    options = ChromeOptions()
    options.binary_location = chromium
    for argument in ("--headless=new", "--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    started = Chrome(options=options, service=ChromeService(driver))
    yield started
    started.quit()


@pytest.fixture
def member(anyone: ValidatingClient, collection: str) -> list[str]:
    """The addresses of the pages of the pictures, in their order."""
    images = anyone.get(path("c", collection)).json()["images"]
    return [anyone.base_url + path("c", collection, image["s3_key"]).removeprefix("/api") for image in images]


def run(window: Chrome, script: str) -> Any:
    return window.execute_script(script)


def shown_width(window: Chrome, selector: str) -> int:
    """Return the width of the picture that the browser has chosen, 0 while it has none."""
    script = f"const shown = document.querySelector('{selector}'); return shown.complete ? shown.naturalWidth : 0"
    return int(run(window, script))


def chosen(window: Chrome) -> str:
    """Return the address of the picture that the browser has chosen on the page of an image."""
    return str(run(window, "return document.querySelector('.picture img').currentSrc"))


def test_pictures_of_a_collection_are_there_at_the_addresses_of_its_page(
    anyone: ValidatingClient, window: Chrome, collection: str
) -> None:
    window.get(f"{anyone.base_url}/c/{collection}")
    loaded = "return [...document.images].every((each) => each.complete && each.naturalWidth > 0)"
    until(lambda: run(window, loaded), 20, "not all pictures are loaded")
    assert run(window, "return document.images.length") == len(SIZES) + 1
    assert run(window, "return document.documentElement.scrollWidth <= innerWidth")
    assert window.get_log("browser") == []  # type: ignore[no-untyped-call]


def test_a_picture_gets_as_sharp_as_its_original(window: Chrome, member: list[str]) -> None:
    window.get(member[0])
    until(
        lambda: shown_width(window, ".picture img") and "/t512/" not in chosen(window), 20, "the original is not shown"
    )


def test_where_a_browser_cannot_show_the_original_the_thumb_stays(window: Chrome, member: list[str]) -> None:
    window.get(member[3])
    tried = "return performance.getEntriesByType('resource').filter((each) => each.name.endsWith('3%2B.jpg')).length"
    until(lambda: run(window, tried) >= 2, 20, "the original is not asked for")
    until(lambda: shown_width(window, ".picture img") > 0, 20, "nothing is shown")
    assert "/t512/" in chosen(window)


def test_arrow_keys_lead_through_a_collection(window: Chrome, member: list[str]) -> None:
    window.get(member[0])
    for key, address in [(Keys.ARROW_RIGHT, member[1]), (Keys.ARROW_RIGHT, member[2]), (Keys.ARROW_LEFT, member[1])]:
        window.switch_to.active_element.send_keys(key)
        until(lambda: window.current_url == address, 20, f"{window.current_url} instead of {address}")  # noqa: B023


def test_no_layout_moves_while_pictures_come(anyone: ValidatingClient, window: Chrome, collection: str) -> None:
    observe = "new PerformanceObserver((list) => (window.moved ??= []).push(...list.getEntries().map((e) => e.value)))"
    window.execute_cdp_cmd(
        "Page.addScriptToEvaluateOnNewDocument",
        {"source": f"{observe}.observe({{type: 'layout-shift', buffered: true}})"},
    )
    window.get(f"{anyone.base_url}/c/{collection}")
    until(lambda: shown_width(window, ".grid img") > 0, 20, "nothing is shown")
    assert sum(run(window, "return window.moved ?? []")) < 0.01


def test_previews_name_pictures_that_are_there(anyone: ValidatingClient, collection: str) -> None:
    page = anyone.get(f"/c/{collection}").body.decode()
    address = page.partition('property="og:image" content="')[2].partition('"')[0]
    answer = requests.get(address, timeout=10)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/jpeg")
