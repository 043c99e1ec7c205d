"""Uploads in one request: into S3 and registered, or nowhere, whoever breaks off where."""

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.client import HTTPException
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from select import select
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlsplit

import pytest

import raw_http
from clients import Answer, ValidatingClient, authorization, path
from deadlines import until
from pictures import photo
from processes import children
from s3 import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, serving
from web_stack import WebStack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

UPLOADS = "/api/uploads"
MOST = 1_000_000
BOUNDARY = "--------------------8dc1e1a5c5c0b6a"
PICTURE = photo(64, 48)
# The names of the README, and others that programs stumble over.
NAMES = [
    "my cat.jpg", "a+b.jpg", "R&D.jpg", "100%25.jpg", "what?.jpg", "tag#1.jpg", "é.jpg", "a\\b.jpg", "%2F.jpg",
    "🏔.jpg", "'.jpg", ";.jpg", "a=b.jpg", "${filename}.jpg", "t512", "...", "no extension",
]  # fmt: skip


def settings_of_catalog(endpoint: str, **others: str) -> dict[str, str]:
    return {
        "BUCKETS": json.dumps({BUCKET: {}}),
        "DEFAULT_BUCKET": BUCKET,
        "S3_ENDPOINT_URL": "http://browsers.invalid",
        "S3_INTERNAL_ENDPOINT_URL": endpoint,
        "S3_ACCESS_KEY_ID": ACCESS_KEY_ID,
        "S3_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
        "UPLOAD_MAX_BYTES": str(MOST),
        **others,
    }


def with_key(stack: WebStack, **fields: Any) -> ValidatingClient:
    made = stack.anna().post("/api/api-keys", json=fields)
    assert made.status == 201, made.body
    return ValidatingClient(stack.url(), made.json()["key"])


@pytest.fixture(scope="module")
def stack(prepared_web_stack: Path, tmp_path_factory: pytest.TempPathFactory, s3_endpoint: str) -> Iterator[WebStack]:
    """The web services with S3, for all tests of this module that need no others."""
    with WebStack.copied(prepared_web_stack, tmp_path_factory.mktemp("uploads")) as running:
        running.start("auth")
        running.start("catalog", 0, **settings_of_catalog(s3_endpoint))
        running.start("gateway", 0, SPOOL_FOLDER=str(running.folder), SPOOL_BYTES="8000000", BODY_TIMEOUT_S="15")
        yield running


@pytest.fixture(scope="module")
def client(stack: WebStack) -> ValidatingClient:
    return with_key(stack)


@pytest.fixture(autouse=True)
def bucket(s3: "S3Client") -> "S3Client":
    """Let every test have an empty bucket."""
    return s3


def part(name: str, value: str | bytes, filename: str | None = None) -> bytes:
    shown = f'; filename="{filename}"' if filename is not None else ""
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"{shown}\r\n\r\n'
    return head.encode() + (value if isinstance(value, bytes) else value.encode()) + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def a_form(content: bytes = PICTURE, filename: str = "cat.jpg", **fields: str) -> bytes:
    return form(*(part(name, value) for name, value in fields.items()), part("file", content, filename))


def post(client: ValidatingClient, body: bytes, **headers: str) -> Answer:
    sent = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", **headers}
    return client.post(UPLOADS, body=body, headers=sent)


def objects(s3: "S3Client") -> list[str]:
    return [each["Key"] for each in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


def registered(client: ValidatingClient) -> int:
    stats = client.get("/api/stats").json()["images"]
    return int(stats["pending"] + stats["ready"] + stats["failed"])


def new_key() -> dict[str, str]:
    return {"Idempotency-Key": f'"{uuid.uuid4()}"'}


# --- what is taken ---


def test_file_of_a_form_is_in_s3_and_registered(client: ValidatingClient, s3: "S3Client") -> None:
    name = secrets.token_hex(4)
    assert client.post("/api/collections", json={"name": name}).status == 201
    answer = post(client, a_form(title="Ä cat", description="of mine", collection=name))
    assert answer.status == 201, answer.body
    image = answer.json()
    assert re.fullmatch(r"[a-z2-7]{26}/cat\.jpg", image["s3_key"])
    assert answer.headers["Location"] == image["uri"]
    assert (image["title"], image["description"], image["status"]) == ("Ä cat", "of mine", "pending")
    assert client.get(image["uri"]).json() == image
    assert client.get(path("collections", name, "images")).json() == [image]
    stored = s3.get_object(Bucket=BUCKET, Key=image["s3_key"])
    assert (stored["ContentType"], stored["Body"].read()) == ("image/jpeg", PICTURE)


def test_file_is_sent_as_it_is_by_put(client: ValidatingClient, s3: "S3Client") -> None:
    content = photo(64, 48, "PNG")
    answer = client.put(f"{UPLOADS}/cat.jpg?title=A%20cat", body=content)
    assert answer.status == 201, answer.body
    image = answer.json()
    assert image["title"] == "A cat"
    # What it is, its content tells, and not its name.
    stored = s3.get_object(Bucket=BUCKET, Key=image["s3_key"])
    assert (stored["ContentType"], stored["Body"].read()) == ("image/png", content)


@pytest.mark.parametrize("name", NAMES)
def test_any_name_works(client: ValidatingClient, s3: "S3Client", name: str) -> None:
    by_form = post(client, a_form(filename=name.replace("\\", "\\\\")))
    by_put = client.put(f"{UPLOADS}/{quote(name, safe='')}", body=PICTURE)
    assert [answer.status for answer in (by_form, by_put)] == [201, 201]
    keys = [answer.json()["s3_key"] for answer in (by_form, by_put)]
    assert [key.partition("/")[2] for key in keys] == [name, name]
    assert sorted(objects(s3)) == sorted(keys)
    assert client.get(path("images", keys[0])).status == 200


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("", "image"),
        ("..", "image"),
        ("dir/cat.jpg", "cat.jpg"),
        ("a\tb\x7f.jpg", "a_b_.jpg"),
        (f"{'ä' * 600}.jpg", f"{'ä' * 484}.jpg"),
        ("x" * 2000, "x" * 973),
    ],
    ids=["empty", "dots", "folder", "control", "long", "long-without-extension"],
)
def test_name_that_cannot_be_is_changed(client: ValidatingClient, name: str, kept: str) -> None:
    answer = post(client, a_form(filename=name))
    assert answer.status == 201, answer.body
    assert answer.json()["s3_key"].partition("/")[2] == kept


def test_chunked_body_is_taken(client: ValidatingClient) -> None:
    body = a_form(PICTURE + bytes(200_000))
    chunks = [body[at : at + 150] for at in range(0, len(body), 150)]
    assert len(chunks) > 1000
    sent = b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}", "Transfer-Encoding": "chunked"}
    with raw_http.connect(client.base_url) as connection:
        lines = [f"{name}: {value}" for name, value in headers.items()]
        head = ["POST /api/uploads HTTP/1.1", "Host: x", f"Authorization: {authorization(client.auth or '')}", *lines]
        connection.sendall("\r\n".join([*head, "", ""]).encode() + sent)
        status, told = raw_http.answer(connection)
    assert status == 201, told


def test_wait_ends_after_its_seconds(client: ValidatingClient) -> None:
    answer = post(client, a_form(wait="1"))  # nothing processes images here
    assert (answer.status, answer.json()["status"]) == (201, "pending")


# --- what is refused ---

REFUSED: dict[str, tuple[bytes, int, str]] = {
    "no-file": (form(part("title", "x")), 422, "invalid-fields"),
    "empty-file": (a_form(b""), 422, "invalid-fields"),
    "unknown-field": (a_form(licence="x"), 422, "invalid-fields"),
    "unknown-file": (form(part("picture", PICTURE, "a.jpg")), 422, "invalid-fields"),
    "field-twice": (form(part("title", "x"), part("title", "y"), part("file", PICTURE, "a")), 422, "invalid-fields"),
    "file-twice": (form(part("file", PICTURE, "a"), part("file", PICTURE, "b")), 422, "invalid-fields"),
    "long-title": (a_form(title="x" * 256), 422, "invalid-fields"),
    "no-collection-name": (a_form(collection="a b"), 422, "invalid-fields"),
    "no-seconds": (a_form(wait="21"), 422, "invalid-fields"),
    "no-number": (a_form(wait="soon"), 422, "invalid-fields"),
    "no-seconds-after-zeros": (a_form(wait="0000000100"), 422, "invalid-fields"),
    "no-such-collection": (a_form(collection="none"), 404, "collection-not-found"),
    "text": (a_form(b"Dear Sir or Madam, " * 100), 415, "unsupported-format"),
    "short-text": (a_form(b"Dear"), 415, "unsupported-format"),
    "svg": (a_form(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), 415, "unsupported-format"),
    "large": (a_form(PICTURE + bytes(MOST - len(PICTURE) + 1)), 413, "body-too-large"),
    "too-large": (a_form(PICTURE + bytes(2 * MOST)), 413, "body-too-large"),
    "no-end": (a_form()[:-30], 400, "malformed-body"),
    "no-multipart": (b"x" * 1000, 400, "malformed-body"),
    "long-head": (form(part("x" * 300_000, "y")), 400, "malformed-body"),
    "long-field": (a_form(description="x" * 70_000), 400, "malformed-body"),
    "not-utf-8": (form(part("title", b"\xff"), part("file", PICTURE, "a")), 400, "malformed-body"),
    "many-parts": (form(*(part(f"f{number}", "") for number in range(100))), 422, "invalid-fields"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_nowhere(client: ValidatingClient, s3: "S3Client", case: str) -> None:
    body, status, code = REFUSED[case]
    before = registered(client)
    refused = post(client, body)
    assert (refused.status, refused.code) == (status, code)
    assert objects(s3) == []
    assert registered(client) == before


def test_faults_are_named_where_they_were_sent(client: ValidatingClient) -> None:
    assert post(client, a_form(title="x" * 256)).faulty_fields == {"/title"}
    for query, name in (("title=a&title=b", "title"), ("wait=x", "wait"), (f"title={'x' * 256}", "title"), ("x=", "x")):
        refused = client.put(f"{UPLOADS}/a.jpg?{query}", body=PICTURE)
        assert (refused.status, refused.faulty_fields) == (422, {name}), query


def test_body_that_is_no_form_is_415(client: ValidatingClient) -> None:
    for kind in ("application/json", "multipart/form-data", "multipart/mixed; boundary=x"):
        refused = client.post(UPLOADS, body=PICTURE, headers={"Content-Type": kind})
        assert (refused.status, refused.code) == (415, "unsupported-media-type"), kind
    assert client.put(f"{UPLOADS}/a.jpg", body=b"no picture").code == "unsupported-format"
    assert client.put(f"{UPLOADS}/a.jpg").status == 422


def test_it_takes_the_scope_upload(stack: WebStack) -> None:
    assert post(with_key(stack, scopes=["upload"]), a_form()).status == 201
    refused = post(with_key(stack, scopes=["read", "write"]), a_form())
    assert (refused.status, refused.code) == (403, "insufficient-scope")


def test_quota_and_a_service_without_uploads_refuse_before_the_file_is_read(
    web_stack: WebStack, s3_endpoint: str
) -> None:
    web_stack.start("auth")
    web_stack.start("catalog", 0, **settings_of_catalog(s3_endpoint, IMAGES_PER_USER="1"))
    web_stack.start("gateway", 0, SPOOL_FOLDER=str(web_stack.folder))
    anna = web_stack.anna()
    assert post(anna, a_form()).status == 201

    def refusal() -> tuple[int, str]:
        with raw_http.connect(anna.base_url) as connection:
            connection.sendall(head_of(anna, 1_000_000))  # and nothing more
            status, told = raw_http.answer(connection)
        return status, json.loads(told)["code"]

    assert refusal() == (403, "quota-exceeded")
    web_stack.start("catalog")
    assert refusal() == (404, "uploads-off")


def head_of(client: ValidatingClient, length: int) -> bytes:
    return "\r\n".join(
        [
            "POST /api/uploads HTTP/1.1",
            "Host: x",
            f"Authorization: {authorization(client.auth or '')}",
            f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
            f"Content-Length: {length}",
            "",
            "",
        ]
    ).encode()


# --- repeated ---


def test_repeat_under_the_same_key_uploads_nothing_twice(client: ValidatingClient, s3: "S3Client") -> None:
    key = new_key()
    first = post(client, a_form(), **key)
    again = post(client, a_form(), **key)
    assert (again.status, again.body) == (first.status, first.body)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert objects(s3) == [first.json()["s3_key"]]
    for other in (a_form(photo(48, 64)), a_form(filename="dog.jpg"), a_form(title="x")):
        refused = post(client, other, **key)
        assert (refused.status, refused.code) == (422, "idempotency-key-reused")
    assert len(objects(s3)) == 1


def test_malformed_key_is_refused_before_the_file_is_read(client: ValidatingClient) -> None:
    with raw_http.connect(client.base_url) as connection:
        head = head_of(client, 1_000_000).removesuffix(b"\r\n")
        connection.sendall(head + b"Idempotency-Key: a b\r\n\r\n")
        status, told = raw_http.answer(connection)
    assert (status, json.loads(told)["code"]) == (400, "malformed-idempotency-key")


# --- broken off ---


@dataclass
class SlowS3:
    """Takes an object, and answers when it is let."""

    has_taken: Event = field(default_factory=Event)
    may_answer: Event = field(default_factory=Event)
    status: int = 200

    def handler(self) -> type[BaseHTTPRequestHandler]:
        slow = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                slow.has_taken.set()
                slow.may_answer.wait(60)
                self.send_response(slow.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def test_gateway_that_dies_before_it_registers_leaves_nothing_registered(web_stack: WebStack) -> None:
    slow, key = SlowS3(), new_key()
    with serving(slow.handler()) as url, ThreadPoolExecutor(1) as pool:
        web_stack.start("auth")
        web_stack.start("catalog", 0, **settings_of_catalog(url))
        web_stack.start("gateway", 0, SPOOL_FOLDER=str(web_stack.folder))
        anna = web_stack.anna()
        lost = pool.submit(post, anna, a_form(), **key)
        assert slow.has_taken.wait(30)
        files = set(web_stack.folder.iterdir())
        os.killpg(web_stack.processes["gateway"].pid, signal.SIGKILL)
        with pytest.raises((ConnectionError, HTTPException)):
            lost.result(30)
        slow.may_answer.set()
        web_stack.start("gateway", 0, SPOOL_FOLDER=str(web_stack.folder))
        anna = web_stack.anna()
        assert registered(anna) == 0
        assert set(web_stack.folder.iterdir()) == files  # nothing of the file is left
        again = post(anna, a_form(), **key)
        assert (again.status, again.headers["Idempotency-Replayed"]) == (201, None)
        assert registered(anna) == 1


@pytest.mark.parametrize("status", [403, 500])
def test_s3_that_refuses_is_503_and_nothing_is_registered(web_stack: WebStack, status: int) -> None:
    slow = SlowS3(status=status)
    slow.may_answer.set()
    with serving(slow.handler()) as url:
        web_stack.start("auth")
        web_stack.start("catalog", 0, **settings_of_catalog(url))
        web_stack.start("gateway", 0, SPOOL_FOLDER=str(web_stack.folder))
        refused = post(web_stack.anna(), a_form())
        assert (refused.status, refused.code) == (503, "service-unavailable")
        assert refused.headers["Retry-After"]
        assert registered(web_stack.anna()) == 0
        (told,) = web_stack.lines("gateway", "S3 does not take an upload")
        assert told["error"] == f"status {status}"


def begin(client: ValidatingClient, sent: int) -> socket.socket:
    """Begin an upload of nearly a megabyte, of which so many bytes are sent."""
    connection = raw_http.connect(client.base_url)
    body = a_form(PICTURE + bytes(900_000))
    connection.sendall(head_of(client, len(body)) + body[:sent])
    return connection


def test_client_that_breaks_off_leaves_nothing(stack: WebStack, client: ValidatingClient, s3: "S3Client") -> None:
    before = registered(client)
    for sent in (0, 100, 500_000):
        begin(client, sent).close()
    assert post(client, a_form()).status == 201
    assert registered(client) == before + 1
    assert len(objects(s3)) == 1
    assert stack.lines("gateway", "request failed") == []


def test_slow_uploads_hold_nobody_up_and_end(client: ValidatingClient, s3: "S3Client") -> None:
    with ExitStack() as opened:
        slow = [opened.enter_context(begin(client, 1000)) for _ in range(60)]
        # They are many at the same moment: whoever comes just then may be refused.
        until(lambda: post(client, a_form()).status == 201, 12, "nobody else is served")
        until(lambda: client.get("/api/images?limit=1").status == 200, 12, "nobody else is served")
        assert select(slow, [], [], 0)[0] == [], "the slow ones have ended before"
        for connection in slow:
            status, told = raw_http.answer(connection)
            assert (status, json.loads(told)["code"]) == (408, "request-timeout")
    assert len(objects(s3)) == 1


def test_large_file_is_on_the_disk_and_not_in_memory(web_stack: WebStack) -> None:
    size, at_once = 48 * 1024 * 1024, SlowS3()
    at_once.may_answer.set()
    with serving(at_once.handler()) as url:
        web_stack.start("auth")
        web_stack.start("catalog", 0, **settings_of_catalog(url, UPLOAD_MAX_BYTES=str(size)))
        web_stack.start("gateway", 0, SPOOL_FOLDER=str(web_stack.folder))
        client, supervisor = with_key(web_stack), web_stack.processes["gateway"].pid
        assert client.put(f"{UPLOADS}/small.jpg", body=PICTURE).status == 201
        before = most_memory(supervisor)
        assert client.put(f"{UPLOADS}/large.jpg", body=PICTURE.ljust(size, b"\0")).status == 201
        assert most_memory(supervisor) - before < size // 4


def most_memory(supervisor: int) -> int:
    """Return the bytes that the web processes below `supervisor` had at most, all together."""
    states = [Path(f"/proc/{pid}/status").read_text() for pid in children(supervisor)]
    return sum(int(state.partition("VmHWM:")[2].split()[0]) * 1024 for state in states)


def test_full_spool_is_503_and_has_room_again(client: ValidatingClient) -> None:
    body = a_form(PICTURE + bytes(300_000))
    with ExitStack() as opened:

        def is_full() -> bool:
            answer = post(client, body)
            if answer.status == 201:  # of 8 MB a user has 2
                opened.enter_context(begin(client, 700_000))
                return False
            assert (answer.status, answer.code) == (503, "service-unavailable")
            return int(answer.headers["Retry-After"]) > 0

        until(is_full, 12, "the spool is never full")
    until(lambda: post(client, body).status == 201, 12, "there is no room again")


# --- what programs send ---

EXAMPLES = Path(__file__).parents[2] / "examples"


def exchange(client: ValidatingClient, head: list[str], body: bytes, *, expects: bool) -> Any:
    """Send a request byte for byte, the body after `100 Continue` if the program expects that; return the document."""
    with raw_http.connect(client.base_url) as connection:
        connection.sendall("\r\n".join([*head, f"Content-Length: {len(body)}", "", ""]).encode())
        if expects:
            assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        status, told = raw_http.answer(connection)
    assert status == 201, told
    return json.loads(told)


def with_own_key(text: str, client: ValidatingClient) -> str:
    assert "imgh_YOUR_API_KEY" in text
    return text.replace("imgh_YOUR_API_KEY", str(client.auth))


def test_sharex_uploads_with_its_example(client: ValidatingClient) -> None:
    """As ShareX.UploadersLib/Helpers/RequestHelpers.cs and Uploader.cs of ShareX 16 put the request together."""
    config = json.loads(with_own_key((EXAMPLES / "sharex" / "imghost.sxcu").read_text(), client))
    assert (config["RequestMethod"], config["Body"]) == ("POST", "MultipartFormData")
    fields = b"".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in (config["Arguments"] | {"wait": "0"}).items()
    )
    opened = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{config["FileFormName"]}"; '
        'filename="explorer_Xy3 é.png"\r\nContent-Type: image/png\r\n\r\n'
    ).encode()
    body = fields + opened + photo(64, 48, "PNG") + f"\r\n--{BOUNDARY}--\r\n".encode()
    head = [
        f"POST {urlsplit(config['RequestURL']).path} HTTP/1.1",
        "Host: 127.0.0.1",
        *(f"{name}: {value}" for name, value in config["Headers"].items()),
        "User-Agent: ShareX/16.1.0",
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}",
        "Expect: 100-continue",
    ]
    image = exchange(client, head, body, expects=True)
    assert image["s3_key"].endswith("/explorer_Xy3 é.png")
    assert config["URL"] == "{json:url}"
    assert image["url"].startswith("https://")


def test_picgo_uploads_with_its_example(client: ValidatingClient) -> None:
    """As picgo-plugin-web-uploader has the library form-data of npm put the request together."""
    text = (EXAMPLES / "picgo" / "web-uploader.json").read_text()
    config = json.loads(with_own_key(text, client))["web-uploader"]
    boundary = "--------------------------" + "409172845590812233714509"
    fields = "".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in (json.loads(config["customBody"]) | {"wait": "0"}).items()
    )
    opened = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="{config["paramName"]}"; '
        'filename="20261127-截图.jpg"\r\nContent-Type: image/jpeg\r\n\r\n'
    )
    body = opened.encode() + PICTURE + b"\r\n" + fields.encode() + f"--{boundary}--\r\n".encode()
    head = [
        f"POST {urlsplit(config['url']).path} HTTP/1.1",
        "contentType: multipart/form-data",
        "User-Agent: PicGo",
        *(f"{name}: {value}" for name, value in json.loads(config["customHeader"]).items()),
        "host: 127.0.0.1",
        f"content-type: multipart/form-data; boundary={boundary}",
        "Connection: close",
    ]
    image = exchange(client, head, body, expects=False)
    assert image["s3_key"].endswith("/20261127-截图.jpg")
    assert config["jsonPath"] in image


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("jq")), reason="curl or jq is not installed")
def test_curl_uploads_files_of_any_name_with_its_example(client: ValidatingClient, tmp_path: Path) -> None:
    names = [name for name in NAMES if "\\" not in name]  # of these curl sends what follows the backslash only
    for name in names:
        (tmp_path / name).write_bytes(PICTURE)
    environment = os.environ | {"IMGHOST": client.base_url, "IMGHOST_KEY": str(client.auth)}
    script = EXAMPLES / "curl" / "upload.sh"
    done = subprocess.run(
        ["sh", script, *names], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr + done.stdout
    assert [unquote(url).rpartition("/")[2] for url in done.stdout.split()] == [
        name.rpartition("/")[2] for name in names
    ]


@pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
def test_curl_sends_a_form(client: ValidatingClient, tmp_path: Path) -> None:
    (tmp_path / "my cat.jpg").write_bytes(PICTURE)
    done = subprocess.run(
        ["curl", "-sS", "-H", f"Authorization: Bearer {client.auth}", "-F", "file=@my cat.jpg", "-F", "title=A cat",
         f"{client.base_url}{UPLOADS}"],
        cwd=tmp_path, capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    image = json.loads(done.stdout)
    assert (image["s3_key"].partition("/")[2], image["title"]) == ("my cat.jpg", "A cat")
