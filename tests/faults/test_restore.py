"""A restored backup of catalog's database: it is older than the bucket, and may lie in another database than before.

These tests are no trials: what was answered after the backup is lost with the database, so ledgers would not match.
"""

import secrets
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from catalog.keys import thumb_key
from clients import ValidatingClient, path
from deadlines import until
from faults.audit import SQUARES
from faults.backups import dump, forget, reconcile, restore
from faults.stack import BUCKET, Stack
from pictures import photo

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

READY_S = 10.0  # only the watchdog, after minutes, would help a job that does not go on above newer thumbs at once
GONE_S = 20.0


@pytest.fixture
def stack(fault_stack: Stack) -> Iterator[Stack]:
    """A stack that works; after a failed test it is made anew."""
    if not fault_stack.sound:
        fault_stack.up()
    fault_stack.wait_until_serving()
    fault_stack.sound = False
    yield fault_stack
    forget(fault_stack)


def found(stack: Stack, prefix: str) -> dict[str, str]:
    """Return what reconcile finds below `prefix`, by key."""
    return {row["s3_key"]: row["kind"] for row in reconcile(stack) if row.get("s3_key", "").startswith(prefix)}


def thumbs(s3: "S3Client", key: str) -> set[str]:
    """Return the thumbs of `key` that are in the bucket."""
    expected = {thumb_key(key, square) for square in SQUARES}
    listed = s3.list_objects_v2(Bucket=BUCKET, Prefix=key.partition("/")[0]).get("Contents", [])
    return expected & {each["Key"] for each in listed}


def register(user: ValidatingClient, s3: "S3Client", key: str) -> None:
    s3.put_object(Bucket=BUCKET, Key=key, Body=photo(300, 200))
    assert user.post("/api/images", json={"s3_key": key}).status == 201
    assert user.settled(key)["status"] == "ready"


def reprocess(user: ValidatingClient, key: str, within_s: float) -> None:
    assert user.put(path("images", key), json={"reprocess": True}).status == 200
    assert user.settled(key, within_s)["status"] == "ready"


@pytest.mark.parametrize("elsewhere", [False, True], ids=["in-place", "elsewhere"])
def test_catalog_that_is_older_than_the_bucket_catches_up(stack: Stack, elsewhere: bool) -> None:
    user, s3, prefix = stack.new_user(), stack.s3(), secrets.token_hex(4)
    names = ("renewed", "deleted", "untouched", "late", "meanwhile")
    renewed, deleted, untouched, late, meanwhile = (f"{prefix}/{name}.jpg" for name in names)
    for key in (renewed, deleted, untouched):
        register(user, s3, key)
    dump(stack, "catalog")
    for _ in range(3):
        for key in (renewed, deleted, untouched):
            reprocess(user, key, READY_S)
    register(user, s3, late)
    restore(stack, "catalog", elsewhere=elsewhere)
    stack.wait_until_serving()

    if elsewhere:
        assert user.delete(path("images", deleted)).status == 204
        assert "catalog installation continue" in stack.execute("catalog", "catalog", "installation", "show")
        s3.put_object(Bucket=BUCKET, Key=meanwhile, Body=photo(300, 200))
        assert user.post("/api/images", json={"s3_key": meanwhile}).status == 201
        assert len(thumbs(s3, deleted)) == len(SQUARES), "a copy that may be one of two has deleted thumbs"
        stack.execute("catalog", "catalog", "installation", "continue")
        assert user.settled(meanwhile, READY_S)["status"] == "ready"
    else:
        assert user.delete(path("images", deleted)).status == 204
    began = time.monotonic()
    until(lambda: not thumbs(s3, deleted), GONE_S, "thumbs of a deleted image stay")
    gone_s = time.monotonic() - began
    reprocess(user, renewed, READY_S)
    ready_s = time.monotonic() - began - gone_s
    print(f"thumbs gone after {gone_s:.1f} s, ready again after {ready_s:.1f} s")  # noqa: T201 - shown by pytest -s

    orphans = dict.fromkeys((thumb_key(late, square) for square in SQUARES), "thumb-of-nothing")
    assert found(stack, prefix) == {untouched: "differing-thumbs", **orphans}
    reconcile(stack, "--repair", "--delete", "--grace", "0s")
    assert user.settled(untouched, READY_S)["status"] == "ready"
    assert found(stack, prefix) == {}
    assert [len(thumbs(s3, key)) for key in (renewed, untouched, late)] == [len(SQUARES), len(SQUARES), 0]
    stack.sound = True
