"""The audit after a fault: what must be true of a service that loses nothing.

First it waits until nothing is left to do: no image pending, no job, no event due, no message waiting or being worked
on. Then it compares the ledgers with the database, S3 and the API, and the thumbs with their originals. It also finds
containers that restarted without cause, and secrets in logs.
"""

import base64
import json
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import psycopg
from pika.exceptions import AMQPError
from PIL import Image

from catalog.keys import thumb_key
from clients import path
from deadlines import PAUSE_S
from faults import broker
from faults.ledger import Ledger
from faults.load import Client
from faults.stack import BUCKET, Stack, Started
from pictures import decoded

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PATIENCE_S = 60.0
SQUARES = (64, 128, 256, 512)
DISPLAY_SQUARE = 2048
COLOUR_TOLERANCE = 12  # of 256, in each of red, green and blue: JPEG is lossy
_LEFT = """
    SELECT (SELECT count(*) FROM images WHERE status = 'pending') AS pending,
           (SELECT count(*) FROM jobs) AS jobs,
           (SELECT count(*) FROM outbox WHERE state = 'due') AS due
"""
_IMAGES = """
    SELECT i.s3_key, i.image_id, i.status, i.generation, i.date_created, i.thumbs, i.display, i.source_etag,
           i.error_code, array_remove(array_agg(c.name), NULL) AS collections
    FROM images i LEFT JOIN memberships m USING (image_id) LEFT JOIN collections c USING (collection_id)
    WHERE starts_with(i.s3_key, %s)
    GROUP BY i.image_id
"""


_WRONG_COUNTS = """
    SELECT user_id, i.images, i.bytes, c.collections, u.images AS counted_images, u.bytes AS counted_bytes,
           u.collections AS counted_collections
    FROM (SELECT user_id, count(*) AS images, coalesce(sum(bytes), 0) AS bytes FROM images GROUP BY user_id) i
    FULL JOIN (SELECT user_id, count(*) AS collections FROM collections GROUP BY user_id) c USING (user_id)
    FULL JOIN use_of_users u USING (user_id)
    WHERE coalesce(i.images, 0) <> coalesce(u.images, 0) OR coalesce(i.bytes, 0) <> coalesce(u.bytes, 0)
       OR coalesce(c.collections, 0) <> coalesce(u.collections, 0)
"""
_WRONG_STATUSES = """
    SELECT user_id, i.pending, i.ready, i.failed, c.pending AS counted_pending, c.ready AS counted_ready,
           c.failed AS counted_failed
    FROM (SELECT user_id, count(*) FILTER (WHERE status = 'pending') AS pending,
                 count(*) FILTER (WHERE status = 'ready') AS ready, count(*) FILTER (WHERE status = 'failed') AS failed
          FROM images GROUP BY user_id) i
    FULL JOIN images_of_users c USING (user_id)
    WHERE coalesce(i.pending, 0) <> coalesce(c.pending, 0) OR coalesce(i.ready, 0) <> coalesce(c.ready, 0)
       OR coalesce(i.failed, 0) <> coalesce(c.failed, 0)
"""
_WRONG_FORMATS = """
    SELECT user_id, content_type, i.images, i.bytes, c.images AS counted_images, c.bytes AS counted_bytes
    FROM (SELECT user_id, content_type, count(*) AS images, sum(bytes) AS bytes
          FROM images WHERE content_type IS NOT NULL GROUP BY user_id, content_type) i
    FULL JOIN formats_of_users c USING (user_id, content_type)
    WHERE coalesce(i.images, 0) <> coalesce(c.images, 0) OR coalesce(i.bytes, 0) <> coalesce(c.bytes, 0)
"""


@dataclass
class Findings:
    """The faults that an audit found: acknowledged and lost, there twice, and all others."""

    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    others: list[str] = field(default_factory=list)

    def all(self) -> list[str]:
        """Return all findings."""
        return [*self.lost, *self.duplicated, *self.others]


# --- until nothing is left to do ---


def wait_for_rest(stack: Stack, healed: float) -> float:
    """Wait until nothing is left to do; return the seconds since `healed` (time.monotonic); fail after `PATIENCE_S`."""
    while True:
        left = _left(stack)
        rest = time.monotonic() - healed
        if not left:
            break
        assert rest < PATIENCE_S, f"{PATIENCE_S:g} s after the fault there is still {left}"
        time.sleep(PAUSE_S)
    while left := _unacknowledged(stack):  # the broker updates these counts only every few seconds
        assert time.monotonic() - healed < PATIENCE_S, f"{PATIENCE_S:g} s after the fault there is still {left}"
    return rest


def _left(stack: Stack) -> dict[str, int] | str:
    try:
        [found] = stack.query("catalog", _LEFT)
        [auth] = stack.query("auth", "SELECT count(*) AS auth_due FROM outbox WHERE state = 'due'")
        ready = {name: depth for name, depth in broker.depths(stack.amqp_url()).items() if not name.endswith(".dead")}
    except (psycopg.Error, AMQPError, OSError) as fault:
        return f"no answer: {fault!r}"
    return {name: count for name, count in (found | auth | ready).items() if count}


def _unacknowledged(stack: Stack) -> dict[str, int]:
    columns = ("name", "messages_ready", "messages_unacknowledged")
    told = stack.execute("rabbitmq", "rabbitmqctl", "--quiet", "--formatter=json", "list_queues", *columns)
    return {
        queue["name"]: queue["messages_ready"] + queue["messages_unacknowledged"]
        for queue in json.loads(told)
        if not queue["name"].endswith(".dead") and (queue["messages_ready"] or queue["messages_unacknowledged"])
    }


def dead_letters(stack: Stack) -> dict[str, int]:
    """Count dead letters by work queue: those in its dead-letter queue and those that catalog has taken from it."""
    depths = broker.depths(stack.amqp_url())
    rows = stack.query("catalog", "SELECT queue, count(*) AS count FROM dead_letters GROUP BY queue")
    taken = {row["queue"].removesuffix(".dead"): row["count"] for row in rows}
    counts = {queue.name: depths[queue.dead] + taken.get(queue.name, 0) for queue in broker.WORKED}
    return {name: count for name, count in counts.items() if count}


# --- what is in the database and in S3 ---


def examine(
    stack: Stack, s3: "S3Client", clients: Sequence[Client], prefix: str, failed: Mapping[str, str]
) -> Findings:
    """Compare all below `prefix` with the ledgers of `clients`; `failed` has the codes of images that had to fail."""
    findings = Findings()
    images = {row["s3_key"]: row for row in stack.query("catalog", _IMAGES, f"{prefix}/")}
    objects = set(objects_below(s3, prefix))
    for query in (_WRONG_COUNTS, _WRONG_STATUSES, _WRONG_FORMATS):
        findings.others += [f"counted wrongly: {row}" for row in stack.query("catalog", query)]
    for client in clients:
        findings.others += client.ledger.breaches
        _hold_against(client.ledger, images, findings)
        _count_collections(client, images, findings)
    known = {key for client in clients for key in client.ledger.records}
    findings.duplicated += [f"nobody registered {key}" for key in set(images) - known]
    for key, image in images.items():
        due = ("failed", failed[key]) if key in failed else ("ready", None)
        if (image["status"], image["error_code"]) != due:
            findings.lost.append(f"{key} is {image['status']} ({image['error_code']})")
    with ThreadPoolExecutor(4) as pool:
        ready = [image for image in images.values() if image["status"] == "ready"]
        for faults in pool.map(lambda image: list(_faults_of_thumbs(s3, image, objects)), ready):
            findings.lost += faults
    owned = {thumb_key(image["s3_key"], thumb["square"]) for image in ready for thumb in _derived(image)}
    folders = {f"t{square}" for square in (*SQUARES, DISPLAY_SQUARE)}
    thumbs = {key for key in objects if key.rpartition("/")[0].rpartition("/")[2] in folders}
    findings.duplicated += [f"{key} belongs to no image" for key in thumbs - owned]
    return findings


def _hold_against(ledger: Ledger, images: Mapping[str, dict[str, Any]], findings: Findings) -> None:
    for key, record in ledger.records.items():
        image = images.get(key)
        if (image is not None) not in record.registered:
            if image is None:
                findings.lost.append(f"{key} is not registered")
            else:
                findings.duplicated.append(f"{key} is registered, and was deleted")
        if image is None:
            continue
        if record.date_created and datetime.fromisoformat(record.date_created) != image["date_created"]:
            findings.lost.append(f"{key} is another registration than that of {record.date_created}")
        if image["generation"] <= record.reprocessed:
            findings.lost.append(f"{key} is of generation {image['generation']} after {record.reprocessed} reprocesses")
        for name, allowed in record.member.items():
            if (name in image["collections"]) not in allowed:
                (findings.lost if True in allowed else findings.duplicated).append(f"{key} in {name} is not {allowed}")
        if len(image["collections"]) != len(set(image["collections"])):
            findings.duplicated.append(f"{key} is twice in a collection")
        strange = set(image["collections"]) - set(record.member)
        findings.duplicated += [f"nobody put {key} into {name}" for name in strange]


def _count_collections(client: Client, images: Mapping[str, dict[str, Any]], findings: Findings) -> None:
    for name in client.ledger.collections:
        shown = {image["s3_key"] for image in client.api.get(path("collections", name)).json()["images"]}
        due = {key for key, image in images.items() if name in image["collections"]}
        if shown != due:
            findings.others.append(f"{name} shows {sorted(shown)}, the database has {sorted(due)}")


def objects_below(s3: "S3Client", prefix: str) -> Iterator[str]:
    """Return the keys of all objects below a prefix."""
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=f"{prefix}/"):
        yield from (each["Key"] for each in page.get("Contents", []))


def _faults_of_thumbs(s3: "S3Client", image: Mapping[str, Any], objects: Collection[str]) -> Iterator[str]:
    """Return what is wrong with the thumbs of a ready image: each must be of this image and of this original."""
    key, etag = image["s3_key"], image["source_etag"].strip('"')
    original = s3.get_object(Bucket=BUCKET, Key=key)
    if original["ETag"].strip('"') != etag:
        yield f"{key} tells of another object than the one that is there"
        return
    picture = decoded(original["Body"].read())
    colour = _colour(picture)
    if [thumb["square"] for thumb in image["thumbs"]] != list(SQUARES):
        yield f"{key} has the thumbs {image['thumbs']}"
    if (image["display"] is not None) != (picture.format == "TIFF"):
        yield f"{key} is a {picture.format} and has the display picture {image['display']}"
    for thumb in _derived(image):
        name = thumb_key(key, thumb["square"])
        if name not in objects:
            yield f"{name} is missing"
            continue
        found = s3.get_object(Bucket=BUCKET, Key=name)
        made = decoded(found["Body"].read())
        told = found["Metadata"]
        if (told.get("imghost-image-id"), told.get("imghost-generation"), told.get("imghost-etag")) != (
            image["image_id"],
            str(image["generation"]),
            etag,
        ):
            yield f"{name} is of {told}, not of {image['image_id']}, {image['generation']}, {etag}"
        if made.size != (thumb["width"], thumb["height"]):
            yield f"{name} is {made.size}, not {thumb}"
        if any(abs(a - b) > COLOUR_TOLERANCE for a, b in zip(_colour(made), colour, strict=True)):
            yield f"{name} has another colour than its original"


def _derived(image: Mapping[str, Any]) -> list[Mapping[str, int]]:
    """Return the thumbs of an image, and its display picture if it has one."""
    return [*image["thumbs"], *([image["display"]] if image["display"] else [])]


def _colour(picture: Image.Image) -> tuple[int, int, int]:
    red, green, blue = picture.convert("RGB").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))  # type: ignore[misc]
    return red, green, blue


# --- the containers ---


def restarted(before: Collection[Started], after: Collection[Started], hit: Collection[str]) -> list[str]:
    """Return the containers that were restarted although they were not `hit`."""
    known = {each.container for each in before}
    return [
        f"{each.container} was restarted"
        for each in set(after) - set(before)
        if each.service not in hit and each.container in known
    ]


def leaks(stack: Stack, clients: Sequence[Client], since: datetime) -> list[str]:
    """Return the logs that contain a secret: a password or key of the clients, or one of the stack's own."""
    secrets = set(stack.environment.values())
    for client in clients:
        if isinstance(client.api.auth, tuple):
            secrets |= {client.api.auth[1], base64.b64encode(":".join(client.api.auth).encode()).decode()}
        elif client.api.auth is not None:
            secrets.add(client.api.auth)
    logs = stack.logs(since.astimezone(UTC).isoformat())
    return [f"{name} logs a secret" for name, text in logs.items() if any(secret in text for secret in secrets)]
