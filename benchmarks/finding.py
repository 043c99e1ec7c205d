"""How long catalog takes to find images among a million: `make bench-finding`.

The database is that of `tests/integration/test_plans.py`, with as many images as the argument says, two fifths of them
of one user, who asks. Each search is made from its beginning and from many places behind it, as clients page. The most
rows that any node of its plans has read are told by EXPLAIN (ANALYZE). The table goes to
benchmarks/results/finding.json.
"""

import json
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

import sqlalchemy as sa
from tabulate import tabulate

from benchmarks.chain import postgresql
from catalog import bootstrap, use_cases
from catalog.adapters.queries import Position
from catalog.adapters.store import Store
from catalog.adapters.tables import images
from catalog.domain import Image, Search
from catalog.settings import DatabaseSettings
from chassis.database.database import Database
from chassis.tokens import Principal
from filled_catalog import COLLECTION, OWNER, SMALL_COLLECTION, Sizes, fill
from plans import explained

RESULTS = Path(__file__).parent / "results" / "finding.json"
CALLER = Principal(OWNER, "owner", "password")
LIMIT, PAGE_BYTES = 100, 1024 * 1024
PLACES = 40


@dataclass(frozen=True)
class Found:
    """Times of a page of a search in milliseconds, how many images the pages had at most, and rows read at most."""

    search: str
    median_ms: float
    slowest_ms: float
    images: int
    rows: int


def searches(image: Image) -> Iterator[tuple[str, Search, str | None]]:
    """Yield searches with their names, and the name of the collection that each is in; `image` is one of those."""
    until = image.date_created
    month = Search(created_after=until - timedelta(days=30), created_before=until)
    yield "all", Search(), None
    yield "all, oldest first", Search(oldest_first=True), None
    yield "of a month", month, None
    yield "status=ready", Search(status="ready"), None
    yield "status=failed", Search(status="failed"), None
    yield "status=pending", Search(status="pending"), None
    yield "content_type=image/jpeg", Search(content_type="image/jpeg"), None
    yield "content_type=image/gif, a hundredth", Search(content_type="image/gif"), None
    yield "content_type=image/bmp, none", Search(content_type="image/bmp"), None
    yield "q, in all", Search(text="picture"), None
    yield "q, in a fiftieth", Search(text="a beach"), None
    yield "q, in one", Search(text="picture 5001"), None
    yield "q, in none", Search(text="no such words"), None
    yield "q in a fiftieth, status=failed", Search(text="a beach", status="failed"), None
    yield "sha256", Search(sha256=image.picture.sha256 if image.picture else None), None
    yield "collection of 21,500", Search(), COLLECTION
    yield "collection of 21,500, q in a fiftieth", Search(text="a beach"), COLLECTION
    yield "small collection, status=failed", Search(status="failed"), SMALL_COLLECTION


def places(database: Database[Store]) -> list[Position | None]:
    """Return the beginning, and positions of images of the caller, the same in each run."""
    with database.engine.connect() as connection:
        own = sa.select(images.c.date_created, images.c.image_id).where(images.c.user_id == OWNER)
        rows = connection.execute(own.order_by(images.c.image_id).limit(100_000)).all()
    return [None, *((row.date_created, row.image_id) for row in random.Random(1).sample(rows, PLACES))]  # noqa: S311


def measure(
    name: str, database: Database[Store], begins: Sequence[Position | None], work: Callable[[Position | None], int]
) -> Found:
    """Measure `work` from all of `begins`, each twice, of which the second counts; and explain its statements."""
    times, most = [], 0
    for place in begins:
        most = max(most, work(place))
        began = time.perf_counter()
        work(place)
        times.append((time.perf_counter() - began) * 1000)
    with explained(database.engine, frozenset(), ("catalog.",)) as plans:
        for place in begins[:6]:
            work(place)
    rows = max(map(max, plans.rows.values()))
    return Found(name, round(statistics.median(times), 1), round(max(times), 1), most, rows)


def measured(database: Database[Store]) -> Iterator[Found]:
    """Yield the figures of all searches, and of the stats."""
    with database.engine.connect() as connection:
        own = sa.select(images.c.s3_key).where(images.c.user_id == OWNER, images.c.status == "ready")
        key = connection.scalars(own.order_by(images.c.date_created).offset(1000).limit(1)).one()
    image, begins = database.read(use_cases.public_image, key), places(database)
    for name, search, collection in searches(image):

        def work(place: Position | None, search: Search = search, collection: str | None = collection) -> int:
            def load(store: Store) -> int:
                found, _ = use_cases.find_images(
                    store, CALLER, search, collection, limit=LIMIT + 1, max_bytes=PAGE_BYTES, after=place
                )
                return sum(1 for _ in found)

            return database.read(load)

        yield measure(name, database, begins, work)
    yield measure("GET /api/stats", database, begins, lambda _: int(database.read(use_cases.stats, CALLER).ready > 0))


def main() -> None:
    """Measure, print the table and write it."""
    count = int(sys.argv[1])
    with postgresql(["catalog"]) as urls:
        database = bootstrap.make_database(DatabaseSettings(database_url=urls["catalog"]))
        database.migrate()
        fill(database.engine, Sizes(images=count))
        rows = list(measured(database))
        database.engine.dispose()
    print(f"{count:,} images\n\n{tabulate([asdict(row) for row in rows], headers='keys', intfmt=',')}")  # noqa: T201
    RESULTS.write_text(json.dumps({"images": count, "found": [asdict(row) for row in rows]}, indent=2) + "\n")


if __name__ == "__main__":
    main()
