"""Put a picture in as a client does: ask for a signed form, upload to S3, register, and wait until it is ready."""

from collections.abc import Callable, Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

import requests

from embedded.faults import RunFailed
from embedded.parts.services import Account
from embedded.processes.ready import Probe
from embedded.processes.terminal import Stopwatch

NAME = "evening.jpg"
TITLE = "Evening over the lake"
DESCRIPTION = "The sample picture of the embedded run."
TIMEOUT_S = 15.0
PATIENCE_S = 90.0
Wait = Callable[[Mapping[str, Probe], float], None]


class Client:
    """A client of the gateway with a user's credentials. Close it: a server that ends waits for open connections."""

    def __init__(self, gateway_url: str, account: Account) -> None:
        self._gateway_url = gateway_url
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.auth = (account.username, account.password)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_fault: object) -> None:
        self._session.close()

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        url = self._gateway_url + path
        try:
            response = self._session.request(method, url, timeout=TIMEOUT_S, **arguments)
            if not response.ok:
                raise RunFailed(f"{method} {path} answered {response.status_code}", response.text.splitlines()[:10])
            answer = response.json()
        except requests.RequestException as fault:
            raise RunFailed(f"{method} {path} failed: {fault}") from fault
        if not isinstance(answer, dict):
            raise RunFailed(f"{method} {path} answered no object")
        return answer

    def upload(self, name: str, content: bytes, content_type: str) -> str:
        """Upload a file to S3 with a signed form; return its key."""
        form = self._json("GET", f"/api/signed-post?{urlencode({'filename': name, 'content_type': content_type})}")
        # A session of its own: S3 must not see the credentials of our gateway, and the form has all that it needs.
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    form["url"], data=form["fields"], files={"file": (name, content, content_type)}, timeout=TIMEOUT_S
                )
        except requests.RequestException as fault:
            raise RunFailed(f"the upload to S3 failed: {fault}") from fault
        if not answer.ok:
            raise RunFailed(f"the upload to S3 answered {answer.status_code}", answer.text.splitlines()[:10])
        return str(form["fields"]["key"])

    def register(self, key: str) -> str:
        """Register an uploaded file; return its path in the private API."""
        image = self._json("POST", "/api/images", json={"s3_key": key, "title": TITLE, "description": DESCRIPTION})
        return str(image["uri"])

    def image(self, path: str) -> dict[str, Any]:
        """Return an image as its owner sees it."""
        return self._json("GET", path)

    def public_image(self, key: str) -> dict[str, Any]:
        """Return an image as everybody sees it."""
        return self._json("GET", public_path(key))


def public_path(key: str) -> str:
    """Return an image's path in the public API."""
    return f"/api/i/{quote(key)}"


def put_in(client: Client, content: bytes, wait: Wait, watch: Stopwatch) -> str:
    """Upload and register the sample, wait until it is ready, and show how long that took. Return its key."""
    key = client.upload(NAME, content, "image/jpeg")
    watch.say(f"sample picture uploaded to S3 as {key}")
    registered = watch.seconds
    path = client.register(key)

    def is_ready() -> bool:
        image = client.image(path)
        if image["status"] == "failed":
            raise RunFailed("the sample picture ended as failed", [str(image["error"])])
        return bool(image["status"] == "ready")

    wait({"the sample picture": is_ready}, PATIENCE_S)
    watch.say(f"registered, and ready {watch.seconds - registered:.1f} s later")
    return key
