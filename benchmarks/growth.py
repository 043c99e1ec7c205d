"""Whether statements of catalog take longer the more there is: `make bench-growth`.

One PostgreSQL holds two databases, a small and a large one, both filled as for `tests/integration/test_plans.py`, with
backlogs in proportion. All that `plan_steps` names is done to one and the other in turns, each time on other rows.
Each statement is carried out some times where it is sent, and rolled back; of these times the shortest counts, of turns
the median: rows are in memory, and other work on the machine is left out.

Then pages deep in large lists are read beside the first ones; and, with a third database, single reads and lists beside
those of the small one. The figures go to benchmarks/results/growth.json.
"""

import json
import logging
import os
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
import structlog
from tabulate import tabulate

from benchmarks.chain import postgresql
from benchmarks.figures import Figure
from catalog import bootstrap, use_cases
from catalog.adapters.operators_store import OperatorsStore
from catalog.adapters.tables import images, memberships
from catalog.domain import Image, Search
from catalog.settings import DatabaseSettings
from chassis.database.database import Database
from filled_catalog import COLLECTION, OWNER, Sizes, fill
from plan_steps import MAY_GROW, ONCE, REPEATED, owner
from plans import STATEMENTS, sending_functions

RESULTS = Path(__file__).parent / "results" / "growth.json"
PACKAGES = ("catalog.", "chassis.database.")
WORST, REPEATS = 15, 4
STATEMENT_TO_REACH, DEPTH_TO_REACH, RATE_TO_REACH = 2.0, 1.2, 0.9
DEPTH, PAGE_BYTES = 1_000_000, 1024 * 1024
READS, READS_A_TURN = 20, 100
# The function that sends it, and its text.
Statement = tuple[str, str]
# The milliseconds, and the number of rows found or changed.
Taken = tuple[float, int]
# Of each time that the statement was sent, in one turn.
Times = Mapping[Statement, list[Taken]]
Catalog = Database[OperatorsStore]


@dataclass(frozen=True)
class Grown:
    """A statement in the small and in the large database: milliseconds and rows in the median.

    `ratio` is that of the milliseconds, divided by that of the rows if the large database has found more: of a page
    that the small one cannot fill, more is not slower.

    `call` tells which time of those that a turn sends it, None if that is another number in the large database.
    `may_grow` is the reason why its function may take longer the more there is.
    """

    function: str
    call: int | None
    small_ms: float
    large_ms: float
    small_rows: float
    large_rows: float
    ratio: float
    may_grow: str | None


@contextmanager
def timed(engine: sa.Engine) -> Iterator[Times]:
    """Time each statement that is sent by functions of catalog; fill what is yielded."""
    times: dict[Statement, list[Taken]] = defaultdict(list)

    def before(_connection: object, cursor: Any, statement: str, parameters: Any, _context: object, many: bool) -> None:
        function = next(sending_functions(PACKAGES), None)
        if function is not None and statement.lstrip().startswith(STATEMENTS):
            with suppress(psycopg.Error):  # the code that has sent it deals with that
                taken = [_once(cursor.connection, statement, parameters, many=many) for _ in range(REPEATS)]
                times[function, statement].append(min(taken))

    sa.event.listen(engine, "before_cursor_execute", before)
    try:
        yield times
    finally:
        sa.event.remove(engine, "before_cursor_execute", before)


def _once(connection: "psycopg.Connection[Any]", statement: str, parameters: Any, *, many: bool) -> Taken:
    """Carry `statement` out and roll it back; return what it has taken, without the latter."""
    with connection.transaction(force_rollback=True), connection.cursor() as cursor:
        began = time.perf_counter()
        (cursor.executemany if many else cursor.execute)(statement, parameters)
        return 1000 * (time.perf_counter() - began), max(cursor.rowcount, 0)


def statements(small: Catalog, large: Catalog, count: int) -> list[Grown]:
    """Return the statements in both databases, timed in `count` turns, those that have grown most first."""
    turns: tuple[list[Times], list[Times]] = ([], [])
    for turn in range(count):
        for database, found in zip((small, large), turns, strict=True):
            with timed(database.engine) as times:
                for steps in REPEATED:
                    steps(database, turn)
            found.append(times)
        sys.stderr.write(f"turn {turn + 1} of {count}\n")
    once: tuple[list[Times], list[Times]] = ([], [])
    for database, found in zip((small, large), once, strict=True):
        with timed(database.engine) as times:
            for ending in ONCE:
                ending(database)
        found.append(times)
    rows = [*_compared(*turns), *_compared(*once)]
    return sorted(rows, key=lambda row: row.ratio, reverse=True)


def _compared(small: Sequence[Times], large: Sequence[Times]) -> Iterator[Grown]:
    """Yield each statement that was sent in both, at the call that has grown most."""
    everywhere = {statement for times in small for statement in times} & {key for times in large for key in times}
    for function, text in everywhere:
        ours, theirs = (
            [times[function, text] for times in turns if (function, text) in times] for turns in (small, large)
        )
        calls = {len(times) for times in (*ours, *theirs)}
        pairs: list[tuple[int | None, list[Taken], list[Taken]]]
        if len(calls) == 1:
            columns = zip(zip(*ours, strict=True), zip(*theirs, strict=True), strict=True)
            pairs = [(call, list(a), list(b)) for call, (a, b) in enumerate(columns)]
        else:  # as many batches as there are rows
            pairs = [(None, list(chain.from_iterable(ours)), list(chain.from_iterable(theirs)))]
        yield max((_grown(function, *pair) for pair in pairs), key=lambda row: row.ratio)


def _grown(function: str, call: int | None, small: Sequence[Taken], large: Sequence[Taken]) -> Grown:
    (before, few), (after, many) = (
        [statistics.median(column) for column in zip(*each, strict=True)] for each in (small, large)
    )
    ratio = after / before / max(1.0, many / max(1.0, few))
    return Grown(function, call, round(before, 3), round(after, 3), few, many, round(ratio, 2), MAY_GROW.get(function))


def statement_figures(rows: Sequence[Grown]) -> Iterator[Figure]:
    """Yield the figure of the statement that has grown most, and of those that may not; how many have grown."""
    for name, chosen in (
        ("statement that has grown most", rows),
        ("of those without a reason to grow", [row for row in rows if row.may_grow is None]),
    ):
        worst = chosen[0]
        most, met = f"at most {STATEMENT_TO_REACH:g}", worst.ratio <= STATEMENT_TO_REACH
        yield Figure(f"{name}: {worst.function}", worst.large_ms, worst.small_ms, "ms", worst.ratio, most, met)
    grown = sum(row.ratio > STATEMENT_TO_REACH for row in rows)
    name = f"statements that have grown more than {STATEMENT_TO_REACH:g} times, of {len(rows)}"
    yield Figure(name, grown, None, "statements", None, "none", grown == 0)


def figure(name: str, ours_ms: float, against_ms: float, to_reach: float) -> Figure:
    """Return the figure of a time against another, `to_reach` times as long at most."""
    ratio = ours_ms / against_ms
    most = f"at most {to_reach:g}"
    return Figure(name, round(ours_ms, 3), round(against_ms, 3), "ms", round(ratio, 3), most, ratio <= to_reach)


def depths(database: Catalog) -> Iterator[Figure]:
    """Yield the figures of pages deep in the list of a user's images and in a collection, against the first ones."""
    own = images.c.user_id == OWNER
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        depth = min(DEPTH, (connection.scalar(sa.select(sa.func.count()).where(own)) or 0) * 3 // 4)
        newest = sa.select(images.c.date_created, images.c.image_id).where(own)
        newest = newest.order_by(images.c.date_created.desc(), images.c.image_id.desc())
        rows = connection.execute(newest.offset(depth).limit(READS)).all()
    places = [(row.date_created, row.image_id) for row in rows]

    def page(place: tuple[Any, str] | None, limit: int) -> object:
        return database.read(_images, place, limit)

    large = database.read(use_cases.public_collection, COLLECTION)
    of_large = memberships.c.collection_id == large.collection_id
    with database.engine.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        members = connection.scalar(sa.select(sa.func.count()).select_from(memberships).where(of_large)) or 0
        in_order = sa.select(memberships.c.position).where(of_large).order_by(memberships.c.position)
        behind = min(DEPTH, members * 3 // 4)
        positions = connection.scalars(in_order.offset(behind).limit(READS)).all()

    def members_page(position: int, limit: int) -> object:
        return database.read(lambda store: [*use_cases.list_members(store, large, limit, PAGE_BYTES, (position, 0))])

    for limit in (20, 1000):
        name = f"page of {limit:,} images, {depth:,} deep, against the first"
        deep, first = ([partial(page, place, limit) for place in each] for each in (places, [None] * READS))
        yield figure(name, *in_turns(deep, first), DEPTH_TO_REACH)
        name = f"page of {limit:,} of a collection, {behind:,} deep, against the first"
        deep, first = ([partial(members_page, place, limit) for place in each] for each in (positions, [0] * READS))
        yield figure(name, *in_turns(deep, first), DEPTH_TO_REACH)


def _images(store: OperatorsStore, place: tuple[Any, str] | None, limit: int) -> Sequence[Image]:
    found, _ = use_cases.find_images(store, owner(), Search(), None, limit=limit, max_bytes=PAGE_BYTES, after=place)
    return [*found]


def in_turns(ours: Sequence[Callable[[], object]], others: Sequence[Callable[[], object]]) -> tuple[float, float]:
    """Return the milliseconds of `ours` and of `others` in the median; of two calls of each, the second counts."""
    pairs = [(_warm_ms(mine), _warm_ms(theirs)) for mine, theirs in zip(ours, others, strict=True)]
    mine, theirs = zip(*pairs, strict=True)
    return statistics.median(mine), statistics.median(theirs)


def _warm_ms(call: Callable[[], object]) -> float:
    call()
    began = time.perf_counter()
    call()
    return 1000 * (time.perf_counter() - began)


def rates(small: Catalog, largest: Catalog, sizes: tuple[int, int]) -> Iterator[Figure]:
    """Yield the figures of how many reads a second `largest` answers against `small`, each of another row."""
    few, many = (_some_images(database) for database in (small, largest))

    def image(database: Catalog, place: tuple[Any, str, str]) -> object:
        return database.read(use_cases.public_image, place[2])

    def page(database: Catalog, place: tuple[Any, str, str]) -> object:
        return database.read(_images, place[:2], 20)

    for kind, read in (("single images", image), ("lists of 20", page)):
        taken = []
        for turn in range(READS):
            chosen = slice(turn * READS_A_TURN, (turn + 1) * READS_A_TURN)
            taken.append([_rate(partial(read, small), few[chosen]), _rate(partial(read, largest), many[chosen])])
        ratio = statistics.median(theirs / ours for ours, theirs in taken)
        ours, theirs = (statistics.median(column) for column in zip(*taken, strict=True))
        name = f"{kind}, of {sizes[1]:,} images against {sizes[0]:,}"
        least = f"at least {RATE_TO_REACH:g}"
        yield Figure(name, round(theirs, 1), round(ours, 1), "a second", round(ratio, 3), least, ratio >= RATE_TO_REACH)


def _some_images(database: Catalog) -> list[tuple[Any, str, str]]:
    """Return where in the list of the owner some images are, and their keys, in an order that is no order."""
    own = sa.select(images.c.date_created, images.c.image_id, images.c.s3_key).where(images.c.user_id == OWNER)
    with database.engine.connect() as connection:
        rows = connection.execute(own.order_by(images.c.image_id).limit(READS * READS_A_TURN)).all()
    found = [(row.date_created, row.image_id, row.s3_key) for row in rows]
    return random.Random(1).choices(found, k=READS * READS_A_TURN)  # noqa: S311


def _rate(read: Callable[[tuple[Any, str, str]], object], places: Sequence[tuple[Any, str, str]]) -> float:
    for place in places:
        read(place)
    began = time.perf_counter()
    for place in places:
        read(place)
    return len(places) / (time.perf_counter() - began)


def filled(url: str, count: int) -> Catalog:
    """Return a database with `count` images."""
    began = time.monotonic()
    database = bootstrap.make_database(DatabaseSettings(database_url=url))
    database.migrate()
    fill(database.engine, Sizes.in_proportion(count))
    sys.stderr.write(f"{count:,} images are there after {time.monotonic() - began:.0f} s\n")
    return Database(database.engine, OperatorsStore, database.migrations)


def main() -> None:
    """Measure, print the tables and write the file. With 0 as the largest size its rows are left out."""
    small_count, large_count, largest_count, turns = (
        int(os.environ.get(f"GROWTH_{name}") or default)
        for name, default in (("SMALL", 10_000), ("LARGE", 5_000_000), ("LARGEST", 10_000_000), ("TURNS", 20))
    )
    # What imaging answers here is strange to catalog, which tells of it each time.
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with postgresql(["small", "large", "largest"]) as urls:
        small, large = filled(urls["small"], small_count), filled(urls["large"], large_count)
        figures = list(depths(large))
        if largest_count:
            # Before the steps change what is in the small one.
            largest = filled(urls["largest"], largest_count)
            figures += rates(small, largest, (small_count, largest_count))
            largest.engine.dispose()
        rows = statements(small, large, turns)
        figures = [*statement_figures(rows), *figures]
        for database in (small, large):
            database.engine.dispose()
    print(f"{large_count:,} images against {small_count:,}\n")  # noqa: T201
    print(tabulate([list(asdict(row).values()) for row in rows[:WORST]], headers=list(asdict(rows[0]))))  # noqa: T201
    shown = [[f.name, f.ours, f.against, f.unit, f.ratio, f.to_reach, "yes" if f.met else "NO"] for f in figures]
    print("\n" + tabulate(shown, headers=["figure", "ours", "against", "unit", "ratio", "to reach", "met"]))  # noqa: T201
    result = {
        "images": {"small": small_count, "large": large_count, "largest": largest_count or None},
        "figures": [asdict(each) for each in figures],
        "statements": [asdict(row) for row in rows],
    }
    RESULTS.write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
