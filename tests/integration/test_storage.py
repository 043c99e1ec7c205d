"""Originals and thumbs on a real S3 API: conditional, bounded in time, and never touching the objects of others."""

import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Any

import pytest
from PIL import Image
from prometheus_client import REGISTRY

from chassis.broker import topology
from chassis.broker.verdicts import TransientError
from chassis.envelope import Event
from chassis.s3.conditions import ALL, PROBE_AGAIN_S, UNKNOWN, Conditions, KeptConditions
from imaging.adapters.storage import S3Storage, connect
from imaging.domain import Limits
from imaging.errors import (
    AccessDeniedError,
    BucketRefusedError,
    OriginalDeniedError,
    OriginalUnreadableError,
    StaleJobError,
    StorageError,
    ThumbKeyOccupiedError,
)
from imaging.keys import thumb_key
from imaging.pipeline import render
from imaging.settings import ImagingSettings
from imaging.use_cases import Imaging, process
from imaging.worker import LAST_REFUSAL, handle
from pictures import encoded, photo
from s3 import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY, SERVERS, s3_client, serving
from s3_front import HIDES_MISSING, MANNERS, fronted
from storage_contract import DISPLAY_KEY, JOB, KEY, MAX_BYTES, THUMB, StorageContract

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

REQUESTS = ("create", "overwrite", "delete")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run the tests with `storage` on every S3 server there is; on moto also with each setting and each S3 quirk."""
    if "storage" in metafunc.fixturenames:
        cases = [
            pytest.param(server, kind, id=f"{server.removesuffix('_s3')}-{kind}")
            for server in SERVERS
            for kind in ("auto", "never", *(("always", *MANNERS) if server == "moto_s3" else ()))
        ]
        metafunc.parametrize(("s3_endpoint", "storage"), cases, indirect=True)


@pytest.fixture
def storage(request: pytest.FixtureRequest, s3_endpoint: str, s3: "S3Client") -> Iterator[S3Storage]:  # noqa: ARG001
    if request.param in MANNERS:
        with fronted(s3_endpoint, request.param) as (url, _):
            yield storage_at(url, max_bytes=MAX_BYTES)
    else:
        yield storage_at(s3_endpoint, s3_conditional_writes=request.param, max_bytes=MAX_BYTES)


def storage_at(url: str, **settings: Any) -> S3Storage:
    return S3Storage(storage_settings(url, **settings))


def storage_settings(url: str, **settings: Any) -> ImagingSettings:
    return ImagingSettings(
        broker_url="amqp://unused",
        s3_endpoint_url=url,
        s3_access_key_id=ACCESS_KEY_ID,
        s3_secret_access_key=SECRET_ACCESS_KEY,
        **settings,
    )


def body(s3: "S3Client", key: str = KEY) -> bytes:
    return s3.get_object(Bucket=BUCKET, Key=key)["Body"].read()


def keys(s3: "S3Client") -> list[str]:
    return [found["Key"] for found in s3.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@dataclass(frozen=True)
class S3Bucket:
    s3: "S3Client"

    def put(self, key: str, data: bytes) -> None:
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=data)

    def objects(self) -> Mapping[str, bytes]:
        return {key: body(self.s3, key) for key in keys(self.s3)}


class TestS3Storage(StorageContract):
    @pytest.fixture
    def bucket(self, s3: "S3Client") -> S3Bucket:
        return S3Bucket(s3)


def test_original_is_read_whole_with_the_etag_of_its_version(
    storage: S3Storage, s3: "S3Client", request: pytest.FixtureRequest
) -> None:
    etag = s3.put_object(Bucket=BUCKET, Key=JOB.s3_key, Body=b"original")["ETag"]
    told = '""' if request.node.callspec.params["storage"] == "no-etags" else etag
    original = storage.read(JOB)
    assert (original.data, original.etag) == (b"original", told)


def test_original_in_a_bucket_that_is_gone_waits_for_the_bucket(storage: S3Storage) -> None:
    with pytest.raises(BucketRefusedError, match="NoSuchBucket"):
        storage.read(replace(JOB, s3_bucket="gone"))


def test_archived_original_is_told_so(moto_s3: str) -> None:
    """On moto only: few other servers have an archive."""
    s3 = s3_client(moto_s3)
    s3.create_bucket(Bucket="archive")
    s3.put_object(Bucket="archive", Key=JOB.s3_key, Body=b"original", StorageClass="GLACIER")
    with pytest.raises(OriginalUnreadableError, match="restored first"):
        storage_at(moto_s3).read(replace(JOB, s3_bucket="archive"))


def test_thumb_says_whose_it_is_and_may_be_kept_for_an_hour(storage: S3Storage, s3: "S3Client") -> None:
    storage.write_thumb(JOB, THUMB, '"etag"', 7)
    head = s3.head_object(Bucket=BUCKET, Key=KEY)
    assert head["Metadata"] == {
        "imghost-image-id": "image-1",
        "imghost-generation": "2",
        "imghost-recipe": "7",
        "imghost-etag": "etag",
    }
    assert (head["ContentType"], head["CacheControl"]) == ("image/jpeg", "public, max-age=3600")


def test_credential_that_may_not_list_writes_thumbs_and_spares_what_is_not_ours(
    s3_endpoint: str, s3: "S3Client"
) -> None:
    with fronted(s3_endpoint, HIDES_MISSING) as (url, front):
        storage = storage_at(url)
        storage.write_thumb(JOB, THUMB, "e", 1)
        storage.write_thumb(replace(JOB, generation=3), replace(THUMB, data=b"newer"), "e", 1)
        assert body(s3) == b"newer"
        s3.put_object(Bucket=BUCKET, Key=KEY, Body=b"somebody's")
        with pytest.raises(ThumbKeyOccupiedError):
            storage.write_thumb(JOB, THUMB, "e", 1)
        assert front.calls


def test_credential_that_may_not_list_deletes_thumbs_of_images_without_a_display_picture(
    s3_endpoint: str, s3: "S3Client"
) -> None:
    with fronted(s3_endpoint, HIDES_MISSING) as (url, _):
        storage = storage_at(url)
        for square in (64, 128, 256, 512):
            storage.write_thumb(JOB, replace(THUMB, square=square), "e", 1)
        storage.delete_display(JOB)
        storage.delete_thumbs(JOB)
        assert keys(s3) == []


@pytest.mark.parametrize(
    ("manner", "unkept"), [(None, []), ("ignores-conditions", [*REQUESTS]), ("put-501", ["create", "overwrite"])]
)
def test_conditions_that_are_not_kept_are_one_warning_and_a_metric(
    s3_endpoint: str,
    s3: "S3Client",  # noqa: ARG001
    capsys: pytest.CaptureFixture[str],
    manner: str | None,
    unkept: list[str],
) -> None:
    with fronted(s3_endpoint, manner) as (url, _):
        storage = storage_at(url)
        for square in (64, 128, 256):
            storage.write_thumb(JOB, replace(THUMB, square=square), "e", 1)
        storage.delete_thumbs(JOB)
    assert capsys.readouterr().out.count("S3 does not keep conditions") == (1 if unkept else 0)
    kept = {
        request: REGISTRY.get_sample_value("imghost_s3_conditions_kept", {"bucket": BUCKET, "request": request})
        for request in REQUESTS
    }
    assert kept == {request: float(request not in unkept) for request in REQUESTS}


def test_conditions_that_could_not_be_found_out_are_asked_for_again_after_a_while(
    s3_endpoint: str,
    s3: "S3Client",  # noqa: ARG001
) -> None:
    time_s = [0.0]
    with fronted(s3_endpoint, "probe-denied") as (url, front):
        told: list[KeptConditions] = []
        client = connect(storage_settings(url))
        conditions = Conditions(client, "auto", lambda _, found: told.append(found), clock=lambda: time_s[0])
        assert [conditions.of(BUCKET), conditions.of(BUCKET)] == [UNKNOWN, UNKNOWN]
        front.manner = None
        assert conditions.of(BUCKET) == UNKNOWN
        time_s[0] += PROBE_AGAIN_S + 1
        assert conditions.of(BUCKET) == ALL
        time_s[0] += PROBE_AGAIN_S + 1
        front.manner = "ignores-conditions"
        assert (conditions.of(BUCKET), told) == (ALL, [UNKNOWN, ALL])


def test_server_that_wants_another_form_of_entity_tags_than_before_holds_up_nothing_for_ever(
    s3_endpoint: str, s3: "S3Client"
) -> None:
    with fronted(s3_endpoint) as (url, front):
        storage = storage_at(url)
        storage.write_thumb(replace(JOB, generation=1), THUMB, "e", 1)
        front.manner = "refuses-quotes"
        with pytest.raises(StorageError):
            storage.write_thumb(JOB, replace(THUMB, data=b"newer"), "e", 1)
        storage.write_thumb(JOB, replace(THUMB, data=b"newer"), "e", 1)
    assert body(s3) == b"newer"


@pytest.mark.parametrize("manner", ["put-501", "put-400"])
def test_server_that_turns_out_to_refuse_conditions_is_written_to_without(
    s3_endpoint: str, s3: "S3Client", manner: str
) -> None:
    with fronted(s3_endpoint, "probe-denied") as (url, front):
        storage = storage_at(url)
        storage.write_thumb(replace(JOB, generation=1), THUMB, "e", 1)
        front.manner = manner
        storage.write_thumb(JOB, replace(THUMB, data=b"newer"), "e", 1)
    assert body(s3) == b"newer"


class Dripping(BaseHTTPRequestHandler):
    """An S3 whose object arrives a byte at a time: too slowly overall, but never so slowly that a read times out."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"etag"')
        self.end_headers()
        with suppress(OSError):
            for _ in range(1000):
                self.wfile.write(b"x")
                time.sleep(0.02)

    def log_message(self, *_args: object) -> None:
        pass


class Stopping(Dripping):
    """An S3 whose connection is lost in the middle of an object."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "1000")
        self.send_header("ETag", '"etag"')
        self.end_headers()
        self.wfile.write(b"x" * 500)


def test_original_that_arrives_in_part_is_a_fault_of_the_moment() -> None:
    with serving(Stopping) as url, pytest.raises(StorageError):
        storage_at(url).read(JOB)


def test_original_that_drips_in_is_given_up_at_the_deadline() -> None:
    with serving(Dripping) as url:
        began = time.monotonic()
        with pytest.raises(StorageError, match="in time"):
            storage_at(url, read_timeout_s=0.5).read(JOB)
        assert time.monotonic() - began < 5


def test_late_job_leaves_nothing_of_its_own_behind(storage: S3Storage, s3: "S3Client") -> None:
    """While a newer generation is being deleted, its smallest thumb is gone first: the late job writes it again."""
    s3.put_object(Bucket=BUCKET, Key=JOB.s3_key, Body=encoded(Image.new("RGB", (70, 50)), "PNG"))
    storage.write_thumb(JOB, replace(THUMB, square=512), "e", 1)
    with ThreadPoolExecutor(4) as uploads:
        limits = Limits(1000, 10_000, 1000, 1024**3, ("PNG",))
        imaging = Imaging(storage, lambda data: render(data, limits, (64, 128, 256, 512)), uploads, lambda _: None)
        with pytest.raises(StaleJobError):
            process(imaging, replace(JOB, generation=1))
    assert set(keys(s3)) == {JOB.s3_key, thumb_key(JOB.s3_key, 512)}


@pytest.mark.parametrize("squares", [(64, 128), (64, 2048)])
def test_original_that_browsers_show_now_has_its_former_display_picture_deleted(
    squares: tuple[int, ...], s3_endpoint: str, s3: "S3Client"
) -> None:
    """Thumbs are written over each time; a display picture that is no longer made would stay, and nobody show it."""
    told: list[Event] = []
    storage = storage_at(s3_endpoint)
    limits = Limits(10_000_000, 10_000_000, 10_000, 1024**3, ("JPEG", "TIFF"))
    thumbs = {thumb_key(JOB.s3_key, square) for square in squares}
    with ThreadPoolExecutor(4) as uploads:
        imaging = Imaging(storage, lambda data: render(data, limits, squares), uploads, told.append)
        for generation, file_format, display in ((1, "TIFF", {DISPLAY_KEY}), (2, "JPEG", set()), (3, "JPEG", set())):
            s3.put_object(Bucket=BUCKET, Key=JOB.s3_key, Body=photo(300, 200, file_format))
            process(imaging, replace(JOB, generation=generation))
            assert set(keys(s3)) == {JOB.s3_key, *thumbs, *display}
    shown = {"square": 2048, "width": 300, "height": 200}
    assert [event.data["display"] for event in told] == [shown, None, None]


class Refusing(BaseHTTPRequestHandler):
    """An S3 whose credential may not list buckets."""

    def do_GET(self) -> None:
        self.send_error(403)

    def log_message(self, *_args: object) -> None:
        pass


def test_s3_that_refuses_to_list_its_buckets_answers_all_the_same() -> None:
    with serving(Refusing) as url:
        assert storage_at(url).answers()


def refusing(status: int, code: str) -> type[BaseHTTPRequestHandler]:
    """Return an S3 that answers every request with `status`, and with `code` where the response has a body."""

    class Answering(Refusing):
        def do_GET(self) -> None:
            body = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_PUT = do_GET  # noqa: N815 - the names that the server calls

    return Answering


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "InvalidObjectState"),
        (400, "InvalidRequest"),
        (400, "KMS.DisabledException"),
        (400, "KMS.InvalidKeyUsageException"),
        (400, "KMS.KMSInvalidStateException"),
        (400, "KMS.NotFoundException"),
    ],
)
def test_original_that_s3_will_never_give_fails_for_good_and_says_what_to_do(status: int, code: str) -> None:
    with serving(refusing(status, code)) as url, pytest.raises(OriginalUnreadableError, match="ask for reprocessing"):
        storage_at(url).read(JOB)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (400, "ExpiredToken"),
        (400, "KMS.ThrottlingException"),
        (501, "NotImplemented"),
    ],
)
def test_whatever_else_s3_says_of_an_original_is_a_fault_of_the_moment(status: int, code: str) -> None:
    with serving(refusing(status, code)) as url, pytest.raises(StorageError) as told:
        storage_at(url).read(JOB)
    assert not isinstance(told.value, OriginalDeniedError)


def test_denied_original_is_tried_again_a_number_of_times_then_fails_though_its_thumbs_cannot_be_looked_for() -> None:
    created = Event("image.created", "/catalog", JOB.image_id, "request", asdict(JOB))
    told: list[Event] = []
    with serving(refusing(403, "AccessDenied")) as url, ThreadPoolExecutor(1) as uploads:
        imaging = Imaging(storage_at(url), lambda _: pytest.fail("there is nothing to render"), uploads, told.append)
        for attempt in range(1, LAST_REFUSAL):
            with pytest.raises(TransientError) as delayed:
                handle(imaging, created, attempt)
            assert delayed.value.counts
        assert told == []
        handle(imaging, created, LAST_REFUSAL)
    assert [(event.type, event.data["code"]) for event in told] == [("image.failed", "original-unreadable")]
    assert "not allowed to read" in told[0].data["detail"]


def test_denied_original_is_given_up_within_a_minute() -> None:
    """S3 may answer so for a missing original, which the contract wants reported within a minute."""
    assert sum(topology.RETRY_DELAYS_S[: LAST_REFUSAL - 1]) < 45


def test_denied_thumb_is_a_fault_of_the_moment() -> None:
    with serving(refusing(403, "AccessDenied")) as url:
        for work in (partial(S3Storage.write_thumb, thumb=THUMB, source_etag="e", recipe=1), S3Storage.delete_thumbs):
            with pytest.raises(AccessDeniedError):
                work(storage_at(url), JOB)


@pytest.mark.parametrize("conditional", ["always", "never"])
def test_object_under_a_key_of_encryption_that_only_its_owner_has_is_not_ours(conditional: str) -> None:
    """S3 answers every look at it with 400; it must not be overwritten."""

    refusal = refusing(400, "InvalidRequest")
    refusal.do_PUT = lambda request: request.send_error(412)  # type: ignore[attr-defined]
    with serving(refusal) as url:
        with pytest.raises(ThumbKeyOccupiedError):
            storage_at(url, s3_conditional_writes=conditional).write_thumb(JOB, THUMB, "e", 1)
        storage_at(url, s3_conditional_writes=conditional).delete_thumbs(JOB)


def test_look_that_is_refused_for_another_reason_is_a_fault_of_the_moment() -> None:
    with serving(refusing(400, "ExpiredToken")) as url, pytest.raises(StorageError):
        storage_at(url).delete_thumbs(JOB)


def test_server_that_is_away_is_a_fault_of_the_moment() -> None:
    away = storage_at("http://127.0.0.1:9")
    with pytest.raises(StorageError):
        away.read(JOB)
    with pytest.raises(StorageError):
        away.delete_thumbs(JOB)
