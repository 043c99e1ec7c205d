"""How long it takes until all images of a deleted user are gone, and what uploads of others notice of it.

`make bench-deletions` runs the whole service in containers, with the images of `make images`. It deletes a user of many
images that have no thumbs, to see how fast they are gone from the API, and one of some hundred pictures that have, to
see how fast those are gone from S3, beside the rate at which that S3 bears the same requests. Meanwhile another user
registers a picture every half second. The table goes to benchmarks/results/deletions.json.
"""

import io
import json
import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Self
from uuid import uuid4

import boto3
from tabulate import tabulate
from testcontainers.core.docker_client import DockerClient

from benchmarks.figures import Figure
from benchmarks.photos import encoded, photo
from imghost import Client
from imghost.testing import ImghostStack

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

RESULTS = Path(__file__).parent / "results" / "deletions.json"
MANY, WITH_THUMBS = 100_000, 1000
SQUARES = 4
EVERY_S = 0.5
AFTERWARDS_S = 30.0
AT_ONCE = 4
# Triggers count row by row, which takes ever longer within one statement: so they are counted here.
ADD_IMAGES = """
    SET session_replication_role = replica;
    INSERT INTO images (image_id, user_id, s3_bucket, s3_key, title, description, status, generation, date_created,
                        date_updated, error_code, error_detail)
    SELECT md5('{user}' || n)::uuid::text, '{user}', 'imghost', '{user}/' || n, '', '', 'failed', 1,
           now() - n * interval '1 second', now() - n * interval '1 second', 'malformed-image', 'Made for a benchmark'
      FROM generate_series(1, {number}) n;
    INSERT INTO use_of_users (user_id, images, bytes, collections) VALUES ('{user}', {number}, 0, 0);
    INSERT INTO images_of_users (user_id, pending, ready, failed) VALUES ('{user}', 0, 0, {number});
    RESET session_replication_role;
    ANALYZE images;
"""


class Service:
    """The stack, and what is done in its containers."""

    def __init__(self, stack: ImghostStack) -> None:
        self.stack = stack
        self._containers = DockerClient().client.containers
        self.s3: S3Client = boto3.client(
            "s3",
            endpoint_url=stack.s3_endpoint_url,
            region_name="us-east-1",
            aws_access_key_id=stack.s3_access_key_id,
            aws_secret_access_key=stack.s3_secret_access_key,
        )

    def run(self, service: str, *words: str) -> str:
        """Run a command in the container of `service`; return what it has written."""
        labels = [f"com.docker.compose.project={self.stack.project}", f"com.docker.compose.service={service}"]
        [container] = self._containers.list(filters={"label": labels})
        status, output = container.exec_run(list(words))
        if status:
            raise RuntimeError(output.decode())
        text: str = output.decode()
        return text

    def sql(self, statements: str) -> str:
        """Execute statements in the database of catalog; return what they tell."""
        return self.run("postgres", "psql", "-qAt", "-U", "postgres", "-d", "catalog", "-c", statements).strip()

    def images(self, user_id: str) -> int:
        """Return how many images a user has."""
        return int(self.sql(f"SELECT count(*) FROM images WHERE user_id = '{user_id}'"))  # noqa: S608 - our own id

    def jobs(self, user_id: str) -> int:
        """Return how many jobs there are at the keys of a user."""
        return int(self.sql(f"SELECT count(*) FROM jobs WHERE s3_key LIKE '{user_id}/%'"))  # noqa: S608 - our own id

    def delete_user(self, name: str) -> None:
        """Delete a user."""
        self.run("auth", "auth", "delete-user", name, "--yes")

    def make_user(self) -> tuple[str, str, Client]:
        """Return the name and id of a new user, and a client with a key of theirs."""
        name, password = f"user-{uuid4().hex[:8]}", uuid4().hex
        made = json.loads(
            self.run("auth", "sh", "-c", f"echo {password} | auth create-user {name} --password-stdin --json")
        )
        with Client(self.stack.url, username=name, password=password) as client:
            key = client.create_api_key(scopes=("read", "write", "upload")).key
        return name, str(made["id"]), Client(self.stack.url, api_key=key)

    def put(self, keys: Sequence[str], data: bytes) -> None:
        """Put originals into S3."""
        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(lambda key: self.s3.upload_fileobj(io.BytesIO(data), self.stack.bucket, key), keys))


class Uploads:
    """Registers a picture every half second, and notes how long it takes until each is ready."""

    def __init__(self, service: Service) -> None:
        self._service = service
        _, _, self._client = service.make_user()
        self._data = encoded(photo(1920, 1080), "JPEG", quality=85)
        self._ends = threading.Event()
        self._since = 0.0
        self._took_s: list[float] = []
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._ends.set()
        self._thread.join()

    def took_s(self) -> Sequence[float]:
        """Return what was measured since the last call, in seconds; not what began before that."""
        self._since, taken, self._took_s = time.monotonic(), self._took_s, []
        return taken

    def _run(self) -> None:
        while not self._ends.wait(EVERY_S):
            key = f"upload/{uuid4()}.jpg"
            self._service.put([key], self._data)
            began = time.monotonic()
            self._client.create_image(key)
            while self._client.get_image(key).status == "pending":
                time.sleep(0.02)
            if began >= self._since:
                self._took_s.append(time.monotonic() - began)


def measure(service: Service) -> Iterator[Figure]:
    """Yield the figures, one after another."""
    with Uploads(service) as uploads:
        time.sleep(15)
        alone = uploads.took_s()
        yield _uploads("upload ready, nothing beside it", alone)
        yield from _gone_from_s3(service, uploads)
        yield from _gone_from_api(service, uploads)


def _gone_from_api(service: Service, uploads: Uploads) -> Iterator[Figure]:
    name, user_id, _ = service.make_user()
    service.sql(ADD_IMAGES.format(user=user_id, number=MANY))
    uploads.took_s()
    began = time.monotonic()
    service.delete_user(name)
    _wait(lambda: not service.images(user_id))
    took = time.monotonic() - began
    yield Figure(f"{MANY:,} images of a user gone from the API", took, None, "s", None, "at most 60 s", took <= 60)
    yield _uploads("upload ready meanwhile", uploads.took_s())
    time.sleep(AFTERWARDS_S)
    yield _uploads("upload ready while their thumbs are deleted", uploads.took_s())


def _gone_from_s3(service: Service, uploads: Uploads) -> Iterator[Figure]:
    name, user_id, client = service.make_user()
    keys = [f"{user_id}/{number}" for number in range(WITH_THUMBS)]
    service.put(keys, encoded(photo(320, 240), "JPEG", quality=85))
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(client.create_image, keys))
    _wait(lambda: not service.jobs(user_id))
    uploads.took_s()
    began = time.monotonic()
    service.delete_user(name)
    _wait(lambda: not service.images(user_id) and not service.jobs(user_id))
    ours, taken = WITH_THUMBS / (time.monotonic() - began), uploads.took_s()
    borne = _borne(service)
    ratio = round(ours / borne, 3)
    yield Figure("images whose thumbs are deleted", ours, borne, "a second", ratio, "at least 0.7", ratio >= 0.7)
    yield _uploads("upload ready meanwhile, as well", taken)


def _borne(service: Service) -> float:
    """Return for how many images a second S3 bears the requests of a deletion, from as many threads."""
    service.put([f"borne/{number}" for number in range(SQUARES * WITH_THUMBS // 4)], b"thumb")

    def delete(number: int) -> None:
        for square in range(SQUARES):
            key = f"borne/{number * SQUARES + square}"
            service.s3.head_object(Bucket=service.stack.bucket, Key=key)
            service.s3.delete_object(Bucket=service.stack.bucket, Key=key)

    began = time.monotonic()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(delete, range(WITH_THUMBS // 4)))
    return WITH_THUMBS // 4 / (time.monotonic() - began)


def _wait(condition: Callable[[], bool]) -> None:
    while not condition():
        time.sleep(0.5)


def _uploads(name: str, took_s: Sequence[float]) -> Figure:
    worst, median = max(took_s), statistics.median(took_s)
    return Figure(f"{name}: longest of {len(took_s)}", worst, median, "s (median)", None, "at most 2 s", worst <= 2)


def main() -> None:
    """Measure, print the table, and write the file."""
    figures = []
    with ImghostStack() as stack:
        for figure in measure(Service(stack)):
            figures.append(figure)
            print(figure, flush=True)  # noqa: T201
    rows = [[f.name, f.ours, f.against, f.unit, f.ratio, f.to_reach, "yes" if f.met else "NO"] for f in figures]
    print(tabulate(rows, headers=["figure", "ours", "against", "unit", "ratio", "to reach", "met"]))  # noqa: T201
    RESULTS.write_text(json.dumps([asdict(figure) for figure in figures], indent=2) + "\n")


if __name__ == "__main__":
    main()
