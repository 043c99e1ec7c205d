"""`imaging check-storage` and `catalog check-storage`: they name what an S3 lacks, and what to change."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

import catalog.cli
import imaging.cli
from embedded.parts.s3 import everybody_may_read
from s3 import BUCKET
from s3_front import REFUSALS, fronted

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

Command = Callable[[str], Result]


@pytest.fixture
def open_bucket(s3: "S3Client") -> "S3Client":
    """The S3 with a bucket that anybody may read, and to which pages of any origin may send forms."""
    s3.put_bucket_policy(Bucket=BUCKET, Policy=json.dumps(everybody_may_read(BUCKET)))
    rule = {"AllowedOrigins": ["*"], "AllowedMethods": ["GET", "HEAD", "POST", "PUT"], "AllowedHeaders": ["*"]}
    s3.put_bucket_cors(Bucket=BUCKET, CORSConfiguration={"CORSRules": [rule]})  # type: ignore[list-item]
    return s3


@pytest.fixture
def of_imaging(monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(url: str) -> Result:
        monkeypatch.setenv("IMAGING_BROKER_URL", "amqp://unused")
        monkeypatch.setenv("IMAGING_S3_ENDPOINT_URL", url)
        monkeypatch.setenv("IMAGING_S3_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("IMAGING_S3_SECRET_ACCESS_KEY", "test")
        return CliRunner().invoke(imaging.cli.main, ["check-storage", BUCKET])

    return run


@pytest.fixture
def of_catalog(monkeypatch: pytest.MonkeyPatch) -> Command:
    def run(url: str) -> Result:
        monkeypatch.setenv("CATALOG_DATABASE_URL", "sqlite:///unused.db")
        monkeypatch.setenv("CATALOG_TOKEN_PUBLIC_KEY_FILE", "unused")
        monkeypatch.setenv("CATALOG_BUCKETS", f'{{"{BUCKET}": {{"url": "{url}/{BUCKET}/"}}}}')
        monkeypatch.setenv("CATALOG_DEFAULT_BUCKET", BUCKET)
        monkeypatch.setenv("CATALOG_S3_ENDPOINT_URL", url)
        monkeypatch.setenv("CATALOG_S3_ACCESS_KEY_ID", "test")
        monkeypatch.setenv("CATALOG_S3_SECRET_ACCESS_KEY", "test")
        return CliRunner().invoke(catalog.cli.main, ["check-storage"])

    return run


def verdicts(done: Result) -> dict[str, str]:
    """Return the verdict on each thing that is needed."""
    rows = {line[:42].strip(): line[44:53].strip() for line in done.output.splitlines()}
    return {needs: verdict for needs, verdict in rows.items() if verdict in {"yes", "limited", "no", "not tried"}}


def test_bucket_that_has_everything_is_well_and_left_as_it_was(
    open_bucket: "S3Client", s3_endpoint: str, of_imaging: Command
) -> None:
    done = of_imaging(s3_endpoint)
    assert (done.exit_code, set(verdicts(done).values())) == (0, {"yes"}), done.output
    assert len(verdicts(done)) == 10
    assert "Contents" not in open_bucket.list_objects_v2(Bucket=BUCKET)


def test_bucket_that_nobody_else_may_read_is_told_with_what_to_change(
    s3: "S3Client", s3_endpoint: str, of_imaging: Command
) -> None:
    s3.delete_bucket_policy(Bucket=BUCKET)
    done = of_imaging(s3_endpoint)
    assert (done.exit_code, verdicts(done)["read by everybody"]) == (1, "no")
    assert "a bucket policy that allows s3:GetObject to *" in done.output


@pytest.mark.parametrize(
    ("manner", "limited"),
    [
        ("ignores-conditions", 3),
        ("no-etags", 3),
        ("put-501", 2),
        ("put-400", 2),
        ("delete-501", 1),
        ("refuses-quotes", 0),
        ("capitalised", 0),
        ("chunked", 0),
        ("weak-etags", 0),
        ("bare-etags", 0),
    ],
)
def test_conditions_that_are_not_kept_are_limits_and_no_faults(
    open_bucket: "S3Client", s3_endpoint: str, of_imaging: Command, manner: str, limited: int
) -> None:
    with fronted(s3_endpoint, manner) as (url, _):
        done = of_imaging(url)
    assert done.exit_code == 0, done.output
    assert list(verdicts(done).values()).count("limited") == limited, done.output
    assert "Contents" not in open_bucket.list_objects_v2(Bucket=BUCKET)


@pytest.mark.parametrize("code", sorted(REFUSALS))
def test_refusal_is_told_with_its_code_and_nothing_else_is_tried(
    s3: "S3Client",  # noqa: ARG001
    s3_endpoint: str,
    of_imaging: Command,
    code: str,
) -> None:
    with fronted(s3_endpoint) as (url, front):
        front.refuses = code
        done = of_imaging(url)
    assert done.exit_code == 1
    assert code in done.output
    assert "not tried" in verdicts(done).values()
    assert "Traceback" not in done.output


def test_server_that_is_away_is_told_so(of_imaging: Command, of_catalog: Command) -> None:
    for check in (of_imaging, of_catalog):
        done = check("http://127.0.0.1:9")
        assert (done.exit_code, "S3 does not answer" in done.output) == (1, True), done.output


def test_uploads_that_work_are_told_so_and_what_the_server_does_not_enforce(
    open_bucket: "S3Client", s3_endpoint: str, of_catalog: Command
) -> None:
    done = of_catalog(s3_endpoint)
    found = verdicts(done)
    assert (done.exit_code, found["upload by a signed form"], found["read by everybody"]) == (0, "yes", "yes")
    # moto accepts any form, whatever its policy says, as other servers may.
    assert found["refuse other types than the form's"] == "limited"
    assert found["form sent by pages of any origin (CORS)"] == "yes"
    assert found["PUT sent by pages of any origin (CORS)"] == "yes"
    [left] = open_bucket.list_objects_v2(Bucket=BUCKET)["Contents"]
    assert f"left in {BUCKET}: {left['Key']}, {left['Size']} bytes" in done.output


def test_upload_with_a_bad_credential_is_told_with_its_code(
    s3: "S3Client",  # noqa: ARG001
    s3_endpoint: str,
    of_catalog: Command,
) -> None:
    with fronted(s3_endpoint) as (url, front):
        front.refuses = "InvalidAccessKeyId"
        done = of_catalog(url)
    assert done.exit_code == 1
    assert "InvalidAccessKeyId: S3 does not know the access key id" in done.output
    assert "left in" not in done.output


def test_upload_that_is_denied_tells_what_may_be_the_cause(
    s3: "S3Client",  # noqa: ARG001
    s3_endpoint: str,
    of_catalog: Command,
) -> None:
    """Ceph answers a bad signature with "access denied" only."""
    with fronted(s3_endpoint) as (url, front):
        front.refuses = "AccessDenied"
        done = of_catalog(url)
    assert "403: look at the key id and the secret, and grant s3:PutObject" in done.output
    assert "left in" not in done.output


def test_where_uploads_are_off_that_is_all_there_is_to_say(
    of_catalog: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_catalog("http://127.0.0.1:9")
    monkeypatch.delenv("CATALOG_DEFAULT_BUCKET")
    done = CliRunner().invoke(catalog.cli.main, ["check-storage"])
    assert (done.exit_code, "uploads are off" in done.output) == (0, True)
