"""A public collection of a thousand images, many clients that read it at once, and what that costs."""

import http.client
import threading
import time
import uuid
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

import sqlalchemy as sa

from catalog.adapters.rows import row_from_image
from catalog.adapters.tables import collections, images, memberships
from catalog.domain import Collection, Image, Picture, Thumb
from chassis.clock import now

IMAGES = 1000
LONG = "🏔" * 10_000
ORDINARY = "A description of the image."
SAMPLE_EVERY_S = 0.02
TIMEOUT_S = 120


@dataclass(frozen=True)
class Figures:
    """What the readers have measured: peaks of memory (PSS) by process, sizes in bytes, and times in seconds.

    `page_s` is the median time of a page while all readers read, `first_page_s` and `not_modified_s` are of one reader
    alone. `failed` counts answers that were not 200.
    """

    peak_bytes: dict[str, int]
    page_bytes: int
    first_page_s: float
    not_modified_bytes: int
    not_modified_s: float
    pages: int
    page_s: float
    failed: int


def fill(database: Path, name: str, description: str) -> None:
    """Put the collection `name` of `IMAGES` ready images into catalog's SQLite file `database`."""
    engine = sa.create_engine(f"sqlite:///{database}")
    collection = Collection(str(uuid.uuid4()), str(uuid.uuid4()), name, now())
    made = [_image(f"{name}/{number}", collection.user_id, description) for number in range(IMAGES)]
    with engine.begin() as connection:
        row = {name: value for name, value in asdict(collection).items() if name in collections.c}
        connection.execute(collections.insert(), row)
        connection.execute(images.insert(), [row_from_image(image) for image in made])
        members = [
            {"collection_id": collection.collection_id, "position": position, "image_id": image.image_id}
            for position, image in enumerate(made, 1)
        ]
        connection.execute(memberships.insert(), members)
    engine.dispose()


def _image(key: str, user_id: str, description: str) -> Image:
    thumbs = tuple(Thumb(square, square, square // 2) for square in (64, 128, 256, 512))
    colors = ("#6c5378", "#8e6274", "#efa873")
    picture = Picture(1920, 1080, colors, thumbs, "XkgGLYZ3eId4h4hwhwiJhoh1kFkH", "image/jpeg", 482133, "etag", 1)
    moment = now()
    return Image(
        str(uuid.uuid4()), user_id, "imghost", key, "", description, "ready", 1, moment, moment, picture=picture
    )


def read(gateway_url: str, pids: Mapping[str, int], name: str, readers: int, for_s: float) -> Figures:
    """Have `readers` clients read the pages of the collection `name` at the gateway for `for_s` seconds.

    `pids` are of the processes that supervise the web processes, by name of the service.
    """
    target = f"/api/c/{name}"
    status, headers, body, first_page_s = get(gateway_url, target)
    if status != http.client.OK:
        raise AssertionError(f"{target} is answered with {status}")
    _, _, nothing, not_modified_s = get(gateway_url, target, {"If-None-Match": headers["ETag"]})
    end = threading.Event()
    peaks = dict.fromkeys(pids, 0)
    sampling = threading.Thread(target=_sample, args=(pids, peaks, end))
    sampling.start()
    until = time.monotonic() + for_s
    with ThreadPoolExecutor(readers) as pool:
        reading = [pool.submit(_read_until, gateway_url, target, until) for _ in range(readers)]
        results = [page for reader in reading for page in reader.result()]
    end.set()
    sampling.join()
    times = sorted(took_s for _, took_s in results)
    return Figures(
        peak_bytes=peaks,
        page_bytes=len(body),
        first_page_s=first_page_s,
        not_modified_bytes=len(nothing),
        not_modified_s=not_modified_s,
        pages=len(results),
        page_s=times[len(times) // 2],
        failed=sum(status != http.client.OK for status, _ in results),
    )


def get(
    base_url: str, target: str, headers: Mapping[str, str] | None = None
) -> tuple[int, http.client.HTTPMessage, bytes, float]:
    """Return status, headers and body of the answer to a GET, and how many seconds it took."""
    parts = urlsplit(base_url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=TIMEOUT_S)
    began = time.monotonic()
    try:
        connection.request("GET", target, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, answer.headers, answer.read(), time.monotonic() - began
    finally:
        connection.close()


def _read_until(base_url: str, start: str, until: float) -> list[tuple[int, float]]:
    """Follow the pages from `start` on, again and again; return (status, seconds) of each."""
    found, target = [], start
    while time.monotonic() < until:
        status, headers, _, took_s = get(base_url, target)
        found.append((status, took_s))
        target = headers["Link"].removeprefix("<").partition(">")[0] if headers["Link"] else start
    return found


def _sample(pids: Mapping[str, int], peaks: dict[str, int], end: threading.Event) -> None:
    while not end.wait(SAMPLE_EVERY_S):
        for name, pid in pids.items():
            peaks[name] = max([peaks[name], *(_pss(child) for child in _children(pid))])


def _children(pid: int) -> Iterable[int]:
    return map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def _pss(pid: int) -> int:
    """Return the memory of a process in bytes; pages shared with others are divided among them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) * 1024 for line in text.splitlines() if line.startswith("Pss:"))
