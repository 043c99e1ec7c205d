"""`make screenshots`: every view of the console, at two widths and in both themes."""

import io
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from clients import Stack
from console import landscapes
from console.browser import Browser
from console.people import new_person, put_in

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

IMAGES = Path(__file__).parents[2] / "docs" / "images"
SIZES = ((1280, 800), (390, 844))
THEMES = ("light", "dark")
COLOURS = 256
SETTLE = "window.scrollTo(0, 0); return new Promise((done) => requestAnimationFrame(() => setTimeout(done, 300)))"
COMPLETE = "return [...document.images].every((each) => each.complete)"


def take(page: Browser, name: str) -> None:
    """Write what is seen at each size in each theme, with few colours, so that the files are small."""
    for theme in THEMES:
        page.theme(theme)
        for width, height in SIZES:
            page.resize(width, height)
            page.run(SETTLE)
            page.wait(lambda: page.run(COMPLETE), "pictures are missing")
            seen = Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")
            few = seen.quantize(palette=seen.quantize(COLOURS), dither=Image.Dither.FLOYDSTEINBERG)
            few.save(IMAGES / f"{name}-{theme}-{width}.png", optimize=True)
    page.resize(*SIZES[0])
    page.theme("light")


def test_each_view_is_pictured(page: Browser, s3: "S3Client", stack: Stack, tmp_path: Path) -> None:
    IMAGES.mkdir(exist_ok=True)
    anna = new_person(stack, "anna")
    anna.sign_in(page)
    page.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    keys = put_in(anna, s3, stack["S3_BUCKET"], 18)
    anna.call("PUT", f"images/{keys[9]}", title="Evening at the shore", description="The hills behind the old harbour.")
    for name, members in (("holidays", keys[:7]), ("mountains", keys[7:12]), ("press", keys[12:])):
        anna.call("POST", "collections", name=name)
        for key in members:
            anna.call("PUT", f"collections/{name}/images/{key}")
    anna.call("PUT", "collections/holidays", title="Our holidays", description="Two weeks in the north.")
    anna.call("POST", "api-keys", description="Backup on the NAS", scopes=["read"], expires_at="2099-01-01T00:00:00Z")
    page.open("#/")
    page.reload()
    page.see(".tile img.sharp")
    take(page, "pictures")
    page.all(".tile .pick")[1].click()
    page.all(".tile .pick")[3].click()
    take(page, "selection")
    page.open(f"#/image/{keys[9]}")
    page.see(".palette")
    page.see(".frame img.over.sharp")
    take(page, "picture")
    page.open("#/collections")
    page.wait(lambda: len(page.all(".cover img")) == 3, "covers are missing")
    take(page, "collections")
    page.open("#/collection/holidays")
    page.see(".tile img.sharp")
    take(page, "collection")
    page.open("#/account")
    page.see("table")
    take(page, "account")
    page.open("#/keys")
    page.fill("form.again [name=password]", anna.password)
    page.click("form.again button")
    page.see(".key", "this tab")
    take(page, "keys")
    page.open("#/")
    files = [tmp_path / landscapes.name(number) for number in (20, 21, 22)]
    for number, file in zip((20, 21, 22), files, strict=True):
        file.write_bytes(landscapes.landscape(number))
    (tmp_path / "letter.jpg").write_bytes(b"no picture")
    page.upload(*files, tmp_path / "letter.jpg")
    page.see(".uploads h2", "Uploads finished")
    take(page, "uploads")
    page.click(".menu summary")
    page.click(".menu button", "Sign out")
    page.see(".sign-in")
    take(page, "sign-in")
