"""The restore drill: both databases and the broker are lost, and come back from backups older than the bucket.

`make restore-drill` does it with 100,000 images, and tells how long each step takes; `make test` with 500.
"""

import hashlib
import json
import os
import re
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import pytest
import requests
from PIL import Image

from clients import ValidatingClient
from deadlines import until
from faults.backups import DATABASES, PROCESSES, dump, forget, reconcile, restore
from faults.stack import BUCKET, HOME, PROJECT, Stack, run
from pictures import encoded

IMAGES = int(os.environ.get("DRILL_IMAGES") or 500)
AFTER = IMAGES // 10  # images of each kind of change after the backup
CLIENTS = 4
BATCH = 100  # operations in a request
PAGE = 1000
SECONDS_EACH = 0.2  # of waiting for imaging, at most


@dataclass
class Drill:
    """A user with images on `stack`, and the seconds that each step has taken."""

    stack: Stack
    user: ValidatingClient
    key_of_user: str
    prefix: str = field(default_factory=lambda: secrets.token_hex(4))
    took_s: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time the body."""
        began = time.monotonic()
        yield
        self.took_s[name] = time.monotonic() - began

    def key(self, number: int) -> str:
        """Return the key of an image."""
        return f"{self.prefix}/{number}.png"

    def operate(self, kind: str, numbers: Sequence[int], **parts: str) -> None:
        """Carry out an operation of `kind`, with `parts`, on each image of `numbers`, many in a request."""
        with requests.Session() as client:
            client.headers["Authorization"] = f"Bearer {self.key_of_user}"
            for first in range(0, len(numbers), BATCH):
                keys = map(self.key, numbers[first : first + BATCH])
                operations = [{"op": kind, "s3_key": key, **parts} for key in keys]
                url = f"{self.user.base_url}/api/images/batch"
                answer = client.post(url, json={"operations": operations}, timeout=60)
                assert answer.status_code == HTTPStatus.OK, answer.text
                statuses = [result["status"] for result in answer.json()["results"]]
                assert max(statuses) < HTTPStatus.MULTIPLE_CHOICES, answer.text

    def register(self, numbers: Sequence[int]) -> None:
        """Register new images, each of a colour of its own, and wait until imaging is done."""
        s3 = self.stack.s3()

        def put(number: int) -> None:
            key = self.key(number)
            colour = tuple(hashlib.sha256(key.encode()).digest()[:3])
            s3.put_object(Bucket=BUCKET, Key=key, Body=encoded(Image.new("RGB", (24, 16), colour), "PNG"))

        with ThreadPoolExecutor(CLIENTS) as clients:
            list(clients.map(put, numbers))
        self.operate("register", numbers)
        self.wait_for_imaging()

    def wait_for_imaging(self) -> None:
        """Wait until no image is pending."""

        def are_done() -> bool:
            (row,) = self.stack.query("catalog", "SELECT count(*) AS pending FROM images WHERE status = 'pending'")
            return bool(row["pending"] == 0)

        until(are_done, max(60, IMAGES * SECONDS_EACH), "images stay pending")

    def shown(self) -> dict[str, Any]:
        """Return what the API shows of all images of the user, by key, without the times of changes.

        And without the versions in addresses: what reconcile has repaired has another one.
        """
        found: dict[str, Any] = {}
        target: str | None = f"/api/images?limit={PAGE}"
        while target is not None:
            answer = self.user.get(target)
            assert answer.status == HTTPStatus.OK
            images = json.loads(re.sub(rb"\?v=[0-9]+", b"", answer.body))
            found |= {image["s3_key"]: {**image, "date_updated": None} for image in images}
            target = answer.next_page
        return found


@pytest.fixture
def drill(fault_stack: Stack) -> Iterator[Drill]:
    """A drill on a stack that works; after a failed one the stack is made anew."""
    if not fault_stack.sound:
        fault_stack.up()
    fault_stack.wait_until_serving()
    fault_stack.sound = False
    user = fault_stack.new_user()
    yield Drill(fault_stack, user, user.post("/api/api-keys", json={"description": "drill"}).json()["key"])
    if not fault_stack.sound:
        (HOME / "restore-drill.log").write_text(fault_stack.compose("logs", "--no-color", "--timestamps"))
    forget(fault_stack)


def lose_everything_but_the_bucket(stack: Stack) -> None:
    """Lose both databases, and RabbitMQ with all messages."""
    for database in DATABASES:
        for service in PROCESSES[database]:
            stack.end(service)
        stack.execute("postgres", "dropdb", "--username=postgres", "--force", database)
        stack.execute("postgres", "createdb", "--username=postgres", f"--owner={database}", database)
    stack.compose("rm", "--stop", "--force", "rabbitmq")
    run("docker", "volume", "rm", f"{PROJECT}_rabbitmq-data")
    stack.compose("up", "--detach", "--wait", "--no-deps", "rabbitmq")


@pytest.mark.timeout(300 + IMAGES)
def test_all_of_the_backup_is_back_and_nothing_of_the_time_after_it(drill: Drill) -> None:
    stack, user = drill.stack, drill.user
    numbers = range(IMAGES)
    with drill.step("load"):
        drill.register(numbers)
    before = drill.shown()
    assert len(before) == IMAGES
    with drill.step("back up"):
        for database in DATABASES:
            dump(stack, database)

    deleted, renamed, late = numbers[:AFTER], numbers[AFTER : 2 * AFTER], range(IMAGES, IMAGES + AFTER)
    with drill.step("more load"):
        drill.register(late)
        drill.operate("delete", deleted)
        drill.operate("change", renamed, title="late")
    late_key = user.post("/api/api-keys", json={"description": "late"}).json()["key"]
    late_user = stack.new_user()

    with drill.step("lose"):
        lose_everything_but_the_bucket(stack)
    with drill.step("restore"):
        for database in DATABASES:
            restore(stack, database, elsewhere=True)
        stack.wait_until_serving()
        stack.execute("catalog", "catalog", "installation", "continue")
    with drill.step("reconcile"):
        reconcile(stack, "--repair", "--delete", "--grace", "0s")
        drill.wait_for_imaging()

    print("; ".join(f"{name} {seconds:.1f} s" for name, seconds in drill.took_s.items()))  # noqa: T201 - for pytest -s
    assert drill.shown() == before
    assert [row for row in reconcile(stack) if row.get("s3_key", "").startswith(drill.prefix)] == []
    assert ValidatingClient(user.base_url, drill.key_of_user).get("/api/images?limit=1").status == HTTPStatus.OK
    for strange in (late_key, late_user.auth):
        assert ValidatingClient(user.base_url, strange).get("/api/images").status == HTTPStatus.UNAUTHORIZED
    stack.sound = True
