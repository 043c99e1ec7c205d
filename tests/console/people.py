"""People with an account, who use the console, and programs beside it."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from clients import Stack
from console import landscapes
from console.browser import Browser
from deadlines import until
from users import auth

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Person:
    """Somebody with an account, who also has programs."""

    url: str
    username: str
    password: str

    def call(self, method: str, path: str, **fields: object) -> requests.Response:
        """Call the API."""
        credentials = (self.username, self.password)
        return requests.request(method, f"{self.url}/api/{path}", auth=credentials, json=fields or None, timeout=20)

    def sign_in(self, page: Browser) -> None:
        """Sign in at the console, as nobody."""
        page.open()
        page.run("sessionStorage.clear()")
        page.reload()
        page.fill("[name=username]", self.username)
        page.fill("[name=password]", self.password)
        page.click("button[type=submit]")
        page.see("header.top")


def new_person(stack: Stack, username: str = "") -> Person:
    """Create a user, with a name that nobody has unless one is given."""
    found = Person(stack["GATEWAY_URL"], username or f"user-{secrets.token_hex(4)}", secrets.token_urlsafe(12))
    auth(stack, "create-user", found.username, "--password-stdin", answer=found.password)
    return found


def put_in(owner: Person, s3: "S3Client", bucket: str, count: int) -> list[str]:
    """Upload and register landscapes of `owner`; return their keys, the oldest first, when they are ready."""
    keys = [f"{secrets.token_hex(4)}/{landscapes.name(number)}" for number in range(count)]
    for number, key in enumerate(keys):
        s3.put_object(Bucket=bucket, Key=key, Body=landscapes.landscape(number), ContentType="image/jpeg")
        assert owner.call("POST", "images", s3_key=key).status_code == 201
    ready = lambda: len(owner.call("GET", "images?status=ready").json()) == count  # noqa: E731 - a condition
    until(ready, 60, "the pictures are not ready")
    return keys
