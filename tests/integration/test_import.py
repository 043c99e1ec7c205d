"""`catalog import`, as an operator runs it: what lies in a bucket is registered once, whatever ends the command."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.cli import main
from catalog.domain import Image
from catalog.places import START
from catalog.upkeep import importing
from catalog_steps import ANNA, BERT, Steps, images_of_anna, page_of
from deadlines import until
from s3 import ACCESS_KEY_ID, BUCKET, SECRET_ACCESS_KEY

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

CATALOG = Path(sys.executable).with_name("catalog")
FAST = ("--rate", "1000", "--in-flight", "100000")
OWN = ("--bucket", BUCKET, "--owner", ANNA.user_id)

Import = Callable[..., Result]


@pytest.fixture
def environment(any_database_url: str, s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_DATABASE_URL", any_database_url)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ENDPOINT_URL", s3_endpoint)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_ACCESS_KEY_ID", ACCESS_KEY_ID)
    monkeypatch.setenv("CATALOG_RECONCILE_S3_SECRET_ACCESS_KEY", SECRET_ACCESS_KEY)
    owners = {"bert/": BERT.user_id}
    monkeypatch.setenv("CATALOG_BUCKETS", json.dumps({BUCKET: {"owners": owners}, "elsewhere": {}}))


@pytest.fixture
def run(environment: None, steps: Steps, s3: "S3Client") -> Import:  # noqa: ARG001
    return lambda *words: CliRunner().invoke(main, ["import", *OWN, *words])


@pytest.fixture
def start(environment: None, steps: Steps, s3: "S3Client") -> Iterator[Callable[..., subprocess.Popen[str]]]:  # noqa: ARG001
    """A function that starts the real command; it is killed at the end of the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        command = [str(CATALOG), "import", *OWN, *words]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def put(s3: "S3Client", *keys: str, body: bytes = b"a picture") -> None:
    for key in keys:
        s3.put_object(Bucket=BUCKET, Key=key, Body=body)


def images(steps: Steps) -> list[Image]:
    found, _ = images_of_anna(steps.database, 100_000)
    return found


def registered(steps: Steps) -> list[str]:
    return sorted(image.s3_key for image in images(steps))


ODD = ["a b.jpg", "a+b.jpg", "é.png", "100%25.JPG", "what?.jpg", "tag#1.gif", "a&b;c='\".heic"]


def test_pictures_become_images_whose_processing_is_queued(run: Import, steps: Steps, s3: "S3Client") -> None:
    put(s3, "x/1.jpg", *ODD)
    done = run(*FAST)
    assert (done.exit_code, done.stdout) == (0, "8 of 8 objects registered\n")
    assert registered(steps) == sorted(["x/1.jpg", *ODD])
    for image in images(steps):
        assert (image.user_id, image.s3_bucket, image.status) == (ANNA.user_id, BUCKET, "pending")
        assert [job.kind for job in steps.jobs(image.s3_key, BUCKET)] == ["image.created"]


def test_what_is_left_out_is_named_with_the_reason(run: Import, steps: Steps, s3: "S3Client") -> None:
    steps.register("mine.jpg", bucket=BUCKET)
    steps.register("berts.jpg", BERT, bucket="elsewhere")
    prefix = steps.database.transact(use_cases.hand_out_prefix, BERT)
    put(s3, "good.jpg", "mine.jpg", "berts.jpg", "t512/good.jpg", "notes.txt", "bert/a.jpg", f"{prefix}/a.jpg")
    put(s3, "x//a.jpg")
    put(s3, "empty.jpg", body=b"")
    s3.put_object(Bucket=BUCKET, Key="old.jpg", Body=b"x", StorageClass="GLACIER")
    told = json.loads(run("--dry-run", "--json").output)
    done = run(*FAST)
    assert done.exit_code == 0
    assert registered(steps) == ["good.jpg", "mine.jpg"]
    assert done.stdout.startswith("1 of 10 objects registered\n")
    for said in (
        f"2 left out: {importing.REGISTERED}\n",
        f"1 left out: {importing.THUMB}\n  't512/good.jpg'\n",
        f"1 left out: {importing.NOT_A_PICTURE}\n  'notes.txt'\n",
        f"2 left out: {importing.NOT_ALLOWED}\n",
        f"1 left out: {importing.EMPTY}\n  'empty.jpg'\n",
        f"1 left out: {importing.ARCHIVED}\n  'old.jpg'\n",
        "1 left out: its key cannot name an image: Must not begin or end with a slash",
    ):
        assert said in done.output
    assert told["would_register"] == 1
    assert sum(told["left_out"].values()) == 9


def test_dry_run_changes_nothing(run: Import, steps: Steps, s3: "S3Client") -> None:
    put(s3, "a.jpg", "b.txt")
    done = run("--dry-run", "--collection", "new", "--any-name")
    assert (done.exit_code, done.stdout) == (0, "2 of 2 objects would be registered\n")
    assert registered(steps) == []
    assert steps.database.read(Store.collection, "new") is None


def test_only_keys_below_the_prefix_and_any_name_if_asked(run: Import, steps: Steps, s3: "S3Client") -> None:
    put(s3, "x/photo", "x/a.jpg", "y/b.jpg")
    assert run("--prefix", "x/", "--any-name", *FAST).output == "2 of 2 objects registered\n"
    assert registered(steps) == ["x/a.jpg", "x/photo"]


def test_images_go_into_the_collection_in_the_order_of_their_keys(run: Import, steps: Steps, s3: "S3Client") -> None:
    put(s3, *(f"{number:03}.jpg" for number in range(30)))
    assert run("--collection", "holiday", *FAST).exit_code == 0
    collection = steps.database.read(use_cases.own_collection, ANNA, "holiday")
    members = page_of(steps.database, use_cases.list_members, collection, 100, 10**9, START)
    assert [image.s3_key for _, image in members] == [f"{number:03}.jpg" for number in range(30)]
    put(s3, "100.jpg")
    assert run("--collection", "holiday", *FAST).output.startswith("1 of 31 objects registered")
    assert steps.database.read(use_cases.count_members, collection) == 31


def test_wrong_options_are_refused(run: Import, steps: Steps, s3: "S3Client") -> None:
    put(s3, "a.jpg")
    steps.database.transact(use_cases.create_collection, BERT, "berts")
    taken, odd = run("--collection", "berts"), run("--collection", "no/name")
    assert (taken.exit_code, odd.exit_code) == (3, 2)
    assert "There is no such collection" in taken.output
    assert "cannot be the name of a collection" in odd.output
    unknown = run("--bucket", "unknown")
    assert unknown.exit_code == 2
    assert f"not one of CATALOG_BUCKETS: {BUCKET}, elsewhere" in unknown.output
    assert run("--owner", "anna").exit_code == 2
    steps.database.transact(Store.note_deleted_user, ANNA.user_id)
    gone = run()
    assert (gone.exit_code, "This user is gone" in gone.output) == (1, True)
    assert registered(steps) == []


def test_bucket_that_is_not_there_is_told_in_a_line(run: Import, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CATALOG_BUCKETS", json.dumps({"missing": {}}))
    done = run("--bucket", "missing")
    assert done.exit_code == 1
    assert done.output.startswith("Error: S3: ")
    assert "0 registered so far, run it again to go on" in done.output


def test_fresh_uploads_go_first(start: Callable[..., subprocess.Popen[str]], steps: Steps, s3: "S3Client") -> None:
    """While three keys have open jobs, nothing is registered; when they are done, it goes on by itself."""
    fresh = [steps.register(f"fresh/{number}", bucket="elsewhere") for number in range(3)]
    put(s3, "a.jpg", "b.jpg", "c.jpg", "d.jpg")
    process = start("--in-flight", "3", "--rate", "1000")
    assert process.stderr is not None
    assert "3 in flight" in process.stderr.readline()
    assert len(registered(steps)) == 3
    for image in fresh[:2]:
        steps.processed(image)
    until(lambda: len(registered(steps)) == 5, 30, "no images are registered")
    for image in [fresh[2], *map(steps.image, ("a.jpg", "b.jpg"))]:
        steps.processed(image)
    assert process.wait(15) == 0
    assert len(registered(steps)) == 7


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_ended_command_is_run_again_and_registers_each_once(
    start: Callable[..., subprocess.Popen[str]], run: Import, steps: Steps, s3: "S3Client", number: signal.Signals
) -> None:
    keys = [f"{each:04}.jpg" for each in range(300)]
    put(s3, *keys)
    process = start("--rate", "100", "--in-flight", "100000", "--collection", "all")
    until(lambda: 0 < len(registered(steps)) < len(keys), 30, "no images are registered")
    process.send_signal(number)
    output, _ = process.communicate(timeout=20)
    before = registered(steps)
    assert 0 < len(before) < len(keys)
    if number == signal.SIGTERM:
        assert process.returncode == 1
        assert f"{len(before)} of {len(before)} objects registered; run it again to go on" in output
    done = run("--collection", "all", *FAST)
    assert done.stdout.startswith(f"{len(keys) - len(before)} of 300 objects registered\n")
    assert registered(steps) == keys
    assert all(len(steps.jobs(key, BUCKET)) == 1 for key in keys[::20])
    collection = steps.database.read(use_cases.own_collection, ANNA, "all")
    assert steps.database.read(use_cases.count_members, collection) == len(keys)
