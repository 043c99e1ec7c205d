"""The page of the API document: what it offers to try works as it opens, at the address where it was opened."""

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from clients import Stack
from console.browser import Browser
from pictures import photo
from users import create_user


class Docs:
    """The page, on which a user is signed in; `results` are the answers to what was tried."""

    def __init__(self, page: Browser) -> None:
        self.page = page

    def begin(self, operation: str) -> str:
        """Open an operation to try it; return the selector of its block."""
        block = f"[id$='-{operation}']"
        self.page.click(f"{block} .opblock-summary-control")
        self.page.click(f"{block} .try-out__btn")
        return block

    def execute(self, block: str) -> tuple[int, Any]:
        """Send what is filled in; return the status and the body of the answer."""
        self.page.click(f"{block} .execute")
        answer = f"{block} .live-responses-table"
        status = self.page.see(f"{answer} tbody .response-col_status").text
        return int(status.split()[0]), json.loads(self.page.see(f"{answer} .highlight-code pre").text)


@pytest.fixture
def docs(stack: Stack, page: Browser) -> Docs:
    user = create_user(stack)
    assert isinstance(user.auth, tuple)
    page.driver.get(f"{page.url}/api/docs")
    page.click(".btn.authorize")
    page.fill("#auth-basic-username", user.auth[0])
    page.fill("#auth-basic-password", user.auth[1])
    page.click(".auth-container:has(#auth-basic-username) .authorize")
    page.click(".btn-done")
    return Docs(page)


def test_examples_name_the_address_at_which_the_page_was_opened(docs: Docs) -> None:
    text = docs.page.text()
    assert f"{docs.page.url}/api/uploads" in text
    assert "imghost.example" not in text


def test_image_is_registered_as_the_page_opens(docs: Docs) -> None:
    block = docs.begin("create_image")
    # Anything else would be refused as a second registration, or be found under the same id in the logs.
    filled = [field.get_attribute("value") for field in docs.page.all(f"{block} .parameters input[type=text]")]
    assert filled == ["", ""]
    field = docs.page.see(f"{block} textarea.body-param__text")
    body = json.loads(str(field.get_attribute("value")))
    assert "s3_bucket" not in body
    key = f"{secrets.token_hex(8)}/my_image.jpg"
    docs.page.run(
        "const set = Object.getOwnPropertyDescriptor(HTMLTextAreaElement.prototype, 'value').set;"
        "set.call(arguments[0], arguments[1]); arguments[0].dispatchEvent(new Event('input', {bubbles: true}));"
        "arguments[0].dispatchEvent(new Event('change', {bubbles: true}));",
        field,
        json.dumps(body | {"s3_key": key}),
    )
    status, image = docs.execute(block)
    assert (status, image["s3_key"], image["title"]) == (201, key, body["title"])


def test_images_are_listed_as_the_page_opens(docs: Docs) -> None:
    assert docs.execute(docs.begin("list_images")) == (200, [])


@pytest.mark.parametrize("operation", ["upload_image", "upload_file"])
def test_file_is_uploaded(docs: Docs, tmp_path: Path, operation: str) -> None:
    file = tmp_path / "my cat.jpg"
    file.write_bytes(photo())
    block = docs.begin(operation)
    docs.page.see(f"{block} input[type=file]").send_keys(str(file))
    status, image = docs.execute(block)
    assert status == 201, image
    assert image["s3_key"].endswith("/my cat.jpg" if operation == "upload_image" else "/my_image.jpg")
