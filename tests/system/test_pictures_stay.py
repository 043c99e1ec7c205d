"""The compose stack keeps pictures: they are still there after its S3 was restarted, or its container made anew."""

import io
import secrets
import subprocess
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any

import pytest
import requests
from PIL import Image

from clients import ValidatingClient, path
from containers import COMPOSE_PROJECT, compose, compose_environment
from deadlines import until
from pictures import photo

Again = Callable[[Mapping[str, str]], None]


def restarted(_stack: Mapping[str, str]) -> None:
    subprocess.run(["docker", "restart", f"{COMPOSE_PROJECT}-s3-1"], check=True, capture_output=True)


def made_anew(stack: Mapping[str, str]) -> None:
    """Remove the container and create another, as `docker compose down` and `up` do."""
    env = compose_environment(stack)
    compose("rm", "--stop", "--force", "s3", env=env)
    compose("up", "--wait", "--no-recreate", "s3", env=env)


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=5).status_code == HTTPStatus.OK
    except requests.ConnectionError:
        return False


def shown(image: Mapping[str, Any]) -> dict[str, bytes]:
    """Return what everybody can read at the addresses of an image."""
    found = {}
    for url in (image["url"], *(thumb["url"] for thumb in image["thumbs"])):
        answer = requests.get(url, timeout=10)
        assert answer.status_code == HTTPStatus.OK, f"{url}: {answer.status_code}"
        with Image.open(io.BytesIO(answer.content)) as picture:
            picture.load()
        found[url] = answer.content
    return found


@pytest.mark.parametrize("again", [restarted, made_anew])
def test_original_and_thumbs_of_a_ready_image_are_served_after_its_s3_was(
    compose_stack: Mapping[str, str], again: Again
) -> None:
    user = ValidatingClient(
        compose_stack["GATEWAY_URL"], (compose_stack["IMGHOST_USERNAME"], compose_stack["IMGHOST_PASSWORD"])
    )
    form = user.get("/api/signed-post").json()
    files = {"file": ("lake.jpg", photo(640, 480), "image/jpeg")}
    fields = {"Content-Type": "image/jpeg"} | form["fields"]
    fields["key"] = fields["key"].replace("${filename}", f"{secrets.token_hex(4)}.jpg")
    assert requests.post(form["url"], data=fields, files=files, timeout=10).ok
    assert user.post("/api/images", json={"s3_key": fields["key"]}).status == HTTPStatus.CREATED
    user.settled(fields["key"])
    image = user.get(path("i", fields["key"])).json()
    assert len(image["thumbs"]) == 4
    before = shown(image)

    again(compose_stack)

    until(lambda: answers(image["url"]), 30, "the original is not served")
    assert shown(image) == before
    assert user.put(path("images", fields["key"]), json={"reprocess": True}).status == HTTPStatus.OK
    assert user.settled(fields["key"])["status"] == "ready"
    user.close()
