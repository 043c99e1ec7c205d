"""Every operation of the API document, called by everybody: the whole of tests/access_matrix.py."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from functools import cache
from itertools import count
from typing import Any

import pytest

from access_matrix import ACTORS, EXPECTED, OF_CHILD, OF_ITSELF, RELATIVES, SCOPES, Row
from auth.keys import new_key
from chassis.clock import now
from clients import NOTHING, Answer, ValidatingClient
from deadlines import until
from gateway.web.docs import document
from web_stack import BUCKET, WebStack

PASSWORD = "long enough for a user"
CODES = {
    401: {"unauthorized", "credentials-required"},
    403: {"insufficient-scope", "password-required", "rotation-refused", "not-a-descendant", "user-disabled"},
}
# Whoever asks, it is the same source: so many failures are meant.
SETTINGS = {"FREE_FAILURES": "1000", "PASSWORD_FAILURES_A_MINUTE": "1000", "KEY_FAILURES_A_MINUTE": "1000"}
PUBLIC_URL = "http://pics.example"
QUERIES = {"/api/oembed": f"?url={PUBLIC_URL}/c/{{name}}"}
UPLOADS = {"S3_ACCESS_KEY_ID": "id", "S3_SECRET_ACCESS_KEY": "secret", "S3_ENDPOINT_URL": "http://127.0.0.1:9"}


class World:
    """A service, its `ACTORS`, and what belongs to the owner: an image in a collection, and a key."""

    def __init__(self, stack: WebStack) -> None:
        self._stack = stack
        self._numbers = count()
        self._things: dict[str, str] = {}
        self._family: tuple[ValidatingClient, dict[str, str]] | None = None
        password = self.user("owner")
        # Passwords are hashed again after each wrong one, which takes time.
        self.owner = ValidatingClient(stack.url(), self.make_key(password)["key"])
        child = self.make_key()["key"]
        self._parent, self._stranger = self.make_key(password), self.make_key(password)
        self._auth: Mapping[str, tuple[str, str] | str | None] = {
            "nobody": None,
            "wrong": new_key(),
            "guesser": ("owner", "a wrong password"),
            "other": self.user("other").auth,
            "owner": password.auth,
            **{scope: self.make_key(password, scopes=[scope])["key"] for scope in SCOPES},
            "child": child,
            "revoked": self._revoked(),
            "expired": self._expired(),
            "deleted": self._deleted(),
            "disabled": self._disabled(),
        }

    def user(self, name: str) -> ValidatingClient:
        self._stack.run("auth", "create-user", name, "--password-stdin", answer=PASSWORD)
        return ValidatingClient(self._stack.url(), (name, PASSWORD))

    def make_key(self, by: ValidatingClient | None = None, **fields: Any) -> dict[str, Any]:
        answer = (by or self.owner).post("/api/api-keys", json=fields)
        assert answer.status == 201, answer.body
        made: dict[str, Any] = answer.json()
        return made

    def _revoked(self) -> str:
        made = self.make_key()
        assert self.owner.delete(made["uri"]).status == 204
        return str(made["key"])

    def _expired(self) -> str:
        made = self.make_key(expires_at=(now() + timedelta(seconds=1)).isoformat())
        client = ValidatingClient(self._stack.url(), made["key"])
        until(lambda: client.get("/api/images").status == 401, 10, "the key does not expire")
        return str(made["key"])

    def _deleted(self) -> tuple[str, str]:
        self.user("deleted")
        self._stack.run("auth", "delete-user", "deleted", "--yes")
        return "deleted", PASSWORD

    def _disabled(self) -> tuple[str, str]:
        self.user("disabled")
        self._stack.run("auth", "disable-user", "disabled")
        return "disabled", PASSWORD

    def family(self) -> tuple[ValidatingClient, dict[str, str]]:
        """Return a client with a key that has all `RELATIVES`, and their ids; they are made when one is missing."""
        if not self._family:
            base_url = self.owner.base_url
            parent = ValidatingClient(base_url, self._parent["key"])
            made = self.make_key(parent)
            child = ValidatingClient(base_url, made["key"])
            its_child = ValidatingClient(base_url, self.make_key(child)["key"])
            self._family = (
                child,
                {
                    "itself": made["id"],
                    "parent": self._parent["id"],
                    "sibling": self.make_key(parent)["id"],
                    "stranger": self._stranger["id"],
                    "descendant": self.make_key(its_child)["id"],
                },
            )
        return self._family

    def client(self, actor: str) -> ValidatingClient:
        return ValidatingClient(self._stack.url(), self._auth[actor])

    def things(self) -> dict[str, str]:
        """Return the parameters of paths that name an image, a collection and a key of the owner's."""
        if not self._things:
            self._things = self._make_things()
        return self._things

    def call(self, client: ValidatingClient, operation: str, things: Mapping[str, str]) -> Answer:
        """Have `client` call an operation on `things`; what is deleted thereby is there again for the next call."""
        method, template = operations()[operation]
        body = self._body(operation)
        target = template.format(**things, **_asset_of(template)) + QUERIES.get(template, "").format(**things)
        answer = client.send(method, target, json=NOTHING if body is None else body)
        if method == "DELETE" and answer.status == 204:
            self._things = {}
        if "{key}" in template and method in {"POST", "DELETE"}:
            self._family = None
        return answer

    def _make_things(self) -> dict[str, str]:
        number = next(self._numbers)
        names = {"s3_key": f"a/{number}.jpg", "name": f"collection-{number}"}
        image = {"s3_key": names["s3_key"], "s3_bucket": BUCKET}
        assert self.owner.post("/api/images", json=image).status == 201
        assert self.owner.post("/api/collections", json={"name": names["name"]}).status == 201
        member = f"/api/collections/{names['name']}/images/{names['s3_key']}"
        assert self.owner.put(member).status == 200
        return names | {"key": self.make_key()["id"], "username": "owner", "filename": "a.jpg"}

    def _body(self, operation: str) -> dict[str, Any] | None:
        """Return a body of the operation that makes something new, or changes something of the owner's."""
        number = next(self._numbers)
        bodies: dict[str, dict[str, Any]] = {
            "create_image": {"s3_key": f"b/{number}.jpg", "s3_bucket": BUCKET},
            "carry_out_batch": {"operations": [{"op": "register", "s3_key": f"b/{number}.jpg", "s3_bucket": BUCKET}]},
            "add_images_to_collection": {"s3_keys": ["a/0.jpg"]},
            "sign_put": {"filename": "a.jpg", "bytes": 1000},
            "update_image": {"title": f"title {number}"},
            "create_collection": {"name": f"another-{number}"},
            "create_api_key": {"description": f"key {number}"},
            "update_api_key": {"description": f"key {number}"},
            "change_password": {"current_password": PASSWORD, "password": PASSWORD},
        }
        return bodies.get(operation)


@pytest.fixture(scope="module")
def world(prepared_web_stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with WebStack.copied(prepared_web_stack, tmp_path_factory.mktemp("access")) as stack:
        stack.start("auth", 0, **SETTINGS)
        stack.start("catalog", 0, **UPLOADS)
        stack.start("gateway", PUBLIC_URL=PUBLIC_URL)
        yield World(stack)


_ASSETS = {"/api/docs/{asset}": "docs.css", "/pages/{asset}": "pages.css", "/console/{asset}": "main.js"}


def _asset_of(template: str) -> dict[str, str]:
    """Return the name of a file that is below `template`, if files are."""
    return {"asset": _ASSETS[template]} if template in _ASSETS else {"code": "image-not-found"}


@cache
def operations() -> dict[str, tuple[str, str]]:
    """Return method and path of every operation of the API document, by its id."""
    return {
        operation["operationId"]: (method.upper(), template)
        for template, methods in document()["paths"].items()
        for method, operation in methods.items()
        if isinstance(operation, dict) and "operationId" in operation
    }


def check(answer: Answer, row: Row, actor: str) -> None:
    assert answer.status == row.status(actor)
    if answer.code and answer.status in CODES:
        assert answer.code in CODES[answer.status]


def test_every_operation_has_a_row() -> None:
    assert set(EXPECTED) == set(operations())
    named = {operation for operation, (_, template) in operations().items() if "{key}" in template}
    assert set(OF_ITSELF) == set(OF_CHILD) == named


@pytest.mark.parametrize("actor", ACTORS)
@pytest.mark.parametrize("operation", EXPECTED)
def test_operation_is_for_whom_the_matrix_says(world: World, operation: str, actor: str) -> None:
    check(world.call(world.client(actor), operation, world.things()), EXPECTED[operation], actor)


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("operation", OF_ITSELF)
def test_key_may_do_with_itself_what_the_matrix_says(world: World, operation: str, scope: str) -> None:
    made = world.make_key(scopes=[scope])
    client = ValidatingClient(world.owner.base_url, made["key"])
    check(world.call(client, operation, {"key": made["id"]}), OF_ITSELF[operation], scope)


@pytest.mark.parametrize("relative", RELATIVES)
@pytest.mark.parametrize("operation", OF_CHILD)
def test_child_may_do_with_its_relatives_what_the_matrix_says(world: World, operation: str, relative: str) -> None:
    client, keys = world.family()
    answer = world.call(client, operation, {"key": keys[relative]})
    assert answer.status == OF_CHILD[operation][relative]
    if answer.code:
        assert answer.code == ("rotation-refused" if operation == "rotate_api_key" else "not-a-descendant")
