"""The Python client on a running stack: its examples, every operation, names of every kind, and what goes wrong."""

import doctest
import hashlib
import io
import re
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import chdir
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
import requests

import imghost
import imghost.client
from clients import NewUser, Stack, ValidatingClient
from gateway.web.docs import document
from imghost import Client, Image, ImageFailedError, StillPendingError
from imghost.batches import AddOperation, ChangeOperation, RegisterOperation, RemoveOperation
from imghost.problems import (
    CollectionNotFoundError,
    CredentialsError,
    ImageExistsError,
    ImageNotFoundError,
    InsufficientScopeError,
    InvalidFieldsError,
    StaleError,
    UnauthorizedError,
)
from pictures import photo
from wire import Contract

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

README = Path(__file__).parents[2] / "clients" / "python" / "README.md"
NAMES = [
    "my cat.jpg",
    "a+b.jpg",
    "100%25.jpg",
    "100%.jpg",
    "what?.jpg",
    "tag#1.jpg",
    "é.jpg",
    "e\u0301.jpg",
    "猫 🐈.jpg",
]
NAMES += ["\"quoted\" & 'so'.jpg", "back\\slash.jpg", "$HOME.jpg", "semi;colon=1.jpg", " spaces .jpg"]


def connect(stack: Stack, user: ValidatingClient) -> Client:
    assert isinstance(user.auth, tuple)
    return Client(stack["GATEWAY_URL"], username=user.auth[0], password=user.auth[1])


@pytest.fixture(scope="module")
def client(stack: Stack, anna: ValidatingClient) -> Iterator[Client]:
    """A client with an API key of its own user, which costs less than a password."""
    with connect(stack, anna) as by_password:
        key = by_password.create_api_key("tests").key
    with Client(stack["GATEWAY_URL"], api_key=key) as client:
        yield client


@pytest.fixture
def cat(tmp_path: Path) -> Path:
    path = tmp_path / "cat.jpg"
    path.write_bytes(photo(640, 480))
    return path


def examples() -> Iterator[doctest.DocTest]:
    """Yield the examples of the docstrings and of the README."""
    yield from (each for each in doctest.DocTestFinder().find(imghost.client) if each.examples)
    yield doctest.DocTestParser().get_doctest(README.read_text(), {}, "README", str(README), 0)


@pytest.fixture(scope="module")
def given(client: Client, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the examples take as given."""
    path = tmp_path_factory.mktemp("given") / "cat.jpg"
    path.write_bytes(photo(640, 480))
    key = client.upload(path, title="A cat").s3_key
    return {"client": client, "key": key, "url": stack["GATEWAY_URL"], "api_key": client.create_api_key().key}


@pytest.mark.parametrize("example", list(examples()), ids=lambda example: example.name)
def test_example_is_true(example: doctest.DocTest, given: dict[str, Any], cat: Path) -> None:
    said = io.StringIO()
    with chdir(cat.parent):
        example.globs = {**vars(imghost.client), **vars(imghost), **given}
        runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
        failed, tried = runner.run(example, out=said.write, clear_globs=False)
    assert tried
    assert failed == 0, said.getvalue()


class Recorder:
    """Checks every exchange of a client against the API document, and keeps which operations were called."""

    def __init__(self, client: Client, url: str) -> None:
        self._prefix = urlsplit(url).path.rstrip("/")
        self._contract = Contract(self._prefix)
        self.called: set[str] = set()
        client._transport.session.hooks["response"].append(self._look)  # noqa: SLF001 - no test can see more

    def _look(self, response: requests.Response, **_: Any) -> None:
        request = response.request
        assert request.method is not None
        target = request.path_url.removeprefix(self._prefix)
        if not target.startswith(("/api/", "/healthz", "/readyz")):
            return  # S3
        body = request.body.encode() if isinstance(request.body, str) else request.body
        assert body is None or isinstance(body, bytes)
        if response.ok:
            self._contract.check_request(request.method, target, request.headers, body)
        template = self._contract._template(request.method, target)  # noqa: SLF001 - which operation it is
        self.called.add(document()["paths"][template][request.method.lower()]["operationId"])


def carry_out_batches(client: Client, name: str, first: Image, second: Image) -> None:
    assert [each.status for each in client.add_images_to_collection(name, [first.s3_key, "none"])] == [
        200,
        404,
    ]
    removed, added, retitled, again = client.carry_out_batch(
        [
            RemoveOperation(name, first.s3_key),
            AddOperation(name, first.s3_key, after=None),
            ChangeOperation(second.s3_key, description="3", if_match=second.etag),
            RegisterOperation(first.s3_key),
        ]
    )
    assert (removed.status, added.status) == (204, 200)
    assert retitled.image is not None
    assert retitled.image.description == "3"
    assert isinstance(again.problem, ImageExistsError)
    assert next(client.list_collection_images(name)).s3_key == first.s3_key


def put_signed(client: Client, path: Path) -> Image:
    """Upload a file by a signed PUT; return its image when it is ready."""
    signed = client.sign_put(path.name, path.stat().st_size)
    assert requests.put(signed.url, data=path.read_bytes(), headers=signed.headers, timeout=20).ok
    return client.wait_until_ready(client.create_image(signed.s3_key))


def test_every_operation_is_called_as_the_document_says(stack: Stack, new_user: NewUser, cat: Path) -> None:
    user = new_user()
    with connect(stack, user) as client:
        recorder = Recorder(client, stack["GATEWAY_URL"])
        first, second = client.upload(cat, title="1"), client.upload(cat, description="2")
        name = f"c{secrets.token_hex(4)}"
        client.create_collection(name)
        made = client.get_collection(name)
        for image in (first, second):
            client.add_image_to_collection(name, image.s3_key)
        client.add_image_to_collection(name, second.s3_key, after=None)
        assert [image.s3_key for image in client.list_collection_images(name, page_size=1)] == [
            second.s3_key,
            first.s3_key,
        ]
        assert len(client.get_collection(name).images) == 2
        assert len(client.get_collection(name, images=1).images) == 1
        assert len(client.get_public_collection(name, images=5).images) == 2
        assert client.get_collection_image(name, first.s3_key) == first
        with pytest.raises(StaleError):
            client.update_collection(name, title="T", if_match=made.etag)
        changed = client.update_collection(name, new_name=f"{name}-2", description="d", cover=first.s3_key)
        assert (changed.name, changed.cover) == (f"{name}-2", first.s3_key)
        assert client.update_collection(changed.name, cover=None).cover is None
        assert client.list_collections(page_size=1).__next__().description == "d"
        client.remove_image_from_collection(changed.name, first.s3_key)
        carry_out_batches(client, changed.name, first, second)
        client.delete_collection(changed.name)
        assert client.get_public_image(first.s3_key).title == "1"
        long_ago = datetime(2020, 1, 1, tzinfo=UTC)
        found = client.list_images(
            status="ready", q="cat", content_type="image/jpeg", created_after=long_ago, sort="oldest", page_size=1
        )
        assert [image.s3_key for image in found] == [first.s3_key, second.s3_key]
        assert not list(client.list_images(created_before=long_ago))
        assert [image.s3_key for image in client.list_images(sha256=first.sha256)] == [second.s3_key, first.s3_key]
        assert client.update_image(first.s3_key, title="3").title == "3"
        assert client.get_image(first.s3_key).etag
        client.delete_image(first.s3_key)
        assert client.get_stats().images.ready == 1
        assert put_signed(client, cat).size == first.size
        key = client.create_api_key("k", scopes=("read",), expires_at=datetime.now(UTC) + timedelta(days=1))
        assert client.update_api_key(key.id, description="l").description == "l"
        assert client.get_api_key(key.id).description == "l"
        assert client.rotate_api_key(key.id, overlap_s=0).key != key.key
        assert [each.id for each in client.list_api_keys()] == [key.id]
        client.delete_api_key(key.id)
        assert client.get_user(user.username).complete
        password = secrets.token_urlsafe(12)
        client.change_password(user.username, str(user.auth[1] if user.auth else ""), password, revoke_api_keys=True)
        assert client.healthz().status == "ok"
        assert client.readyz().status == "ready"
        assert client.get_openapi()["openapi"].startswith("3.1")
    described = {
        at[method]["operationId"]
        for at in document()["paths"].values()
        for method in at
        if method != "parameters" and "Pages" not in at[method]["tags"]
    }
    wanted = {each for each in described if not re.match("head_|preflight_|get_docs|get_problem|upload_", each)}
    assert wanted - recorder.called == set()


def test_file_of_any_name_is_uploaded(client: Client, tmp_path: Path, s3: "S3Client", bucket: str) -> None:
    for number, name in enumerate(NAMES):
        path = tmp_path / name
        path.write_bytes(photo(64 + number, 48))
        image = client.upload(path)
        assert image.s3_key.rpartition("/")[2] == name
        assert s3.get_object(Bucket=bucket, Key=image.s3_key)["Body"].read() == path.read_bytes()
        assert client.get_public_image(image.s3_key).s3_key == image.s3_key
        assert image.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_name_that_no_key_can_have_is_replaced(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "new\nline ${filename}.jpg"
    path.write_bytes(photo(64, 48))
    assert client.upload(path).s3_key.endswith("/new_line _{filename}.jpg")


def test_threads_share_a_client(client: Client, tmp_path: Path) -> None:
    def upload(number: int) -> str:
        path = tmp_path / f"{number}.png"
        path.write_bytes(photo(100 + number, 80, "PNG"))
        return client.upload(path, title=str(number)).title

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(upload, range(16))) == [str(number) for number in range(16)]


def test_progress_is_told_to_the_last_byte(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "large.bmp"
    path.write_bytes(photo(640, 480, "BMP"))
    told: list[int] = []
    client.upload(path, progress=told.append)
    assert told == sorted(told)
    assert len(told) > 2
    assert told[-1] == path.stat().st_size


def test_file_that_is_no_picture_fails_with_its_reason(client: Client, tmp_path: Path) -> None:
    path = tmp_path / "notes.jpg"
    path.write_text("no picture")
    with pytest.raises(ImageFailedError) as failure:
        client.upload(path)
    assert failure.value.code == "unsupported-format"
    assert failure.value.image.status == "failed"


def test_image_that_is_not_ready_in_time_is_told(client: Client, cat: Path) -> None:
    form = client.sign_post(cat.name)
    client.send_form(form, cat)
    pending = client.create_image(form.fields["key"])
    with pytest.raises(StillPendingError):
        client.wait_until_ready(pending, within_s=0)
    assert client.wait_until_ready(pending.s3_key).status == "ready"


def test_refusals_are_exceptions_that_say_what_and_which_request(client: Client, stack: Stack, cat: Path) -> None:
    with pytest.raises(ImageNotFoundError) as missing:
        client.get_image("no/such key.jpg")
    assert missing.value.status == 404
    assert missing.value.code == "image-not-found"
    assert re.fullmatch("[0-9a-f]{32}", missing.value.request_id)
    with pytest.raises(InvalidFieldsError) as invalid:
        client.create_collection("no name")
    assert [fault.pointer for fault in invalid.value.errors] == ["/name"]
    image = client.upload(cat)
    with pytest.raises(ImageExistsError):
        client.create_image(image.s3_key)
    with pytest.raises(CollectionNotFoundError):
        list(client.list_collection_images("none"))
    reader = client.create_api_key(scopes=("read",)).key
    with Client(stack["GATEWAY_URL"], api_key=reader) as reading, pytest.raises(InsufficientScopeError):
        reading.upload(cat)
    client.delete_api_key(reader)
    with Client(stack["GATEWAY_URL"], api_key=reader) as nobody, pytest.raises(UnauthorizedError):
        nobody.get_stats()
    with Client(stack["GATEWAY_URL"], api_key="imgh_none") as nobody, pytest.raises(CredentialsError):
        nobody.get_stats()


def test_what_is_public_needs_no_credentials(client: Client, stack: Stack, cat: Path) -> None:
    image = client.upload(cat)
    with Client(stack["GATEWAY_URL"] + "/") as anybody:
        assert anybody.get_public_image(image.s3_key).url == image.url
