"""Finding images: alike on both databases, whatever is looked for, and page by page without gaps."""

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

import catalog.bootstrap
import catalog.settings
from catalog import use_cases
from catalog.adapters.rows import row_from_image
from catalog.adapters.store import Store
from catalog.adapters.tables import images
from catalog.domain import EVERYTHING, Failed, Fault, FormatStats, Image, Processed, Search, Stats, words_of
from catalog.errors import CollectionNotFoundError
from catalog.users import forget_user
from catalog_steps import ANNA, BERT, Steps, images_of_anna, picture
from chassis.database.database import Database
from chassis.web.paging import PAGE_BYTES
from containers import empty_database
from deadlines import until
from earlier_release import as_written, at_release
from plans import explained

MOMENT = datetime(2026, 5, 1, 12, tzinfo=UTC)
SAME = "ab" * 32
TITLES = ["A cat", "Cats at the beach", "Über den Wolken", "cat-and-dog.final", "", "ΑΘΗΝΑ 2026", "<b>cat</b> &amp; co"]


def an_image(number: int, caller: str = ANNA.user_id) -> Image:
    """Return one of many images that differ in everything by which images are found."""
    image = Image(
        image_id=f"{number:08}-0000-4000-8000-{'0' * 12}",
        user_id=caller,
        s3_bucket="pics",
        s3_key=f"{caller[:4]}/folder_{number % 3}/img.{number}.jpg",
        title=TITLES[number % len(TITLES)],
        description="beach" if number % 5 == 0 else "",
        status="pending",
        generation=1,
        date_created=MOMENT + timedelta(minutes=number // 3),  # three at a time
        date_updated=MOMENT,
    )
    if number % 4 == 0:
        return image
    if number % 4 == 1:
        return replace(image, status="failed", error=Fault("malformed", "broken"))
    made = replace(picture(), sha256=SAME if number % 10 == 2 else f"{number:064x}")
    return replace(image, status="ready", picture=replace(made, content_type=f"image/{'png' if number % 3 else 'gif'}"))


def add(database: Database[Store], made: list[Image]) -> None:
    with database.engine.begin() as connection:
        connection.execute(images.insert(), [row_from_image(image) for image in made])


@pytest.fixture
def some(catalog_database: Database[Store]) -> list[Image]:
    """60 images of Anna, every seventh of which is in the collection `some`, and as many of Bert's."""
    made = [an_image(number) for number in range(60)]
    add(catalog_database, made + [an_image(number, BERT.user_id) for number in range(100, 160)])
    catalog_database.transact(use_cases.create_collection, ANNA, "some")
    for image in made[::7]:
        catalog_database.transact(use_cases.put_member, ANNA, "some", image.s3_key)
    return made


def place(image: Image) -> tuple[datetime, str]:
    return image.date_created, image.image_id


def found(database: Database[Store], search: Search, collection: str | None = None, limit: int = 7) -> list[str]:
    """Return the keys of all images of Anna that are found, page by page."""
    keys: list[str] = []
    after = None
    while True:
        page, end = images_of_anna(database, limit, after, search, collection)
        keys += [image.s3_key for image in page]
        if len(page) == limit:
            after = place(page[-1])
        elif end is not None:
            after = end
        else:
            return keys


def expected(made: list[Image], search: Search, members: set[str] | None = None) -> list[str]:
    """Return the keys of those of `made` that `search` describes, found without a database."""

    def is_wanted(image: Image) -> bool:
        return all(
            (
                search.status in {None, image.status},
                search.content_type in {None, image.picture and image.picture.content_type},
                search.sha256 in {None, image.picture and image.picture.sha256},
                search.created_after is None or image.date_created > search.created_after,
                search.created_before is None or image.date_created < search.created_before,
                members is None or image.s3_key in members,
                set(words_of(search.text or "")) <= set(words_of(f"{image.title} {image.description} {image.s3_key}")),
            )
        )

    wanted = [image for image in made if is_wanted(image)]
    wanted.sort(key=place, reverse=not search.oldest_first)
    return [image.s3_key for image in wanted]


def searches() -> Iterator[Search]:
    each: list[dict[str, Any]] = [
        {},
        *({"status": status} for status in ("pending", "ready", "failed")),
        *(
            {"text": text}
            for text in ("cat", "BEACH", "über wolken", "αθηνα", "dog final", "17", "folder 1", "co", "no")
        ),
        *({"content_type": f"image/{name}"} for name in ("png", "gif", "bmp")),
        {"sha256": SAME},
        {"created_after": MOMENT + timedelta(minutes=5)},
        {"created_before": MOMENT + timedelta(minutes=15)},
        {"created_after": MOMENT + timedelta(minutes=3), "created_before": MOMENT + timedelta(minutes=9)},
    ]
    for one, other in itertools.combinations(each, 2):
        yield Search(**{**one, **other})
        yield Search(**{**one, **other}, oldest_first=True)


def test_every_search_finds_the_same_on_both_databases(catalog_database: Database[Store], some: list[Image]) -> None:
    members = {image.s3_key for image in some[::7]}
    for search in searches():
        assert found(catalog_database, search) == expected(some, search), search
        assert found(catalog_database, search, "some") == expected(some, search, members), search


def test_search_in_many_images_stops_after_some_and_goes_on_there(catalog_database: Database[Store]) -> None:
    """Few fulfil it, and they are far apart: no page looks at all images, and together they show each once."""
    made = [replace(an_image(number), title="rare" if number % 3001 == 0 else "common") for number in range(9_500)]
    made += [replace(an_image(number), title="common") for number in range(9_500, 9_600)]
    add(catalog_database, made)
    catalog_database.transact(use_cases.create_collection, ANNA, "other")
    rare = Search(status="ready", text="common", created_before=MOMENT + timedelta(minutes=1))
    for search in (rare, Search(status="ready"), Search(text="common", status="failed"), Search(text="rare")):
        for oldest_first in (False, True):
            each = replace(search, oldest_first=oldest_first)
            assert found(catalog_database, each, limit=700) == expected(made, each)
    pending = replace(rare, created_before=None, status="pending")
    page, end = images_of_anna(catalog_database, 2000, search=pending)
    assert len(page) < 1001
    assert end is not None


def test_search_for_words_ends_a_page_after_half_a_megabyte_of_texts(catalog_database: Database[Store]) -> None:
    """PostgreSQL takes an eighth of a second for the words of a megabyte, and each description may have 10,000."""
    long = "common " * 1400
    made = [replace(an_image(number), title="common") for number in range(4_100)]
    made += [replace(an_image(number), title="common", description=long) for number in range(4_100, 4_220)]
    add(catalog_database, made)
    catalog_database.transact(use_cases.create_collection, ANNA, "long")
    members = {image.s3_key for image in made[-60:]}
    for image in made[-60:]:
        catalog_database.transact(use_cases.put_member, ANNA, "long", image.s3_key)
    ready = Search(text="common", status="ready")
    for search in (ready, replace(ready, oldest_first=True)):
        assert found(catalog_database, search, limit=700) == expected(made, search)
        assert found(catalog_database, search, "long") == expected(made, search, members)
    for collection in (None, "long"):
        _, end = images_of_anna(catalog_database, 1000, search=ready, collection=collection)
        assert end == place(made[-53])


def test_search_for_what_many_images_have_reads_only_those_that_are_shown(postgres_url: str) -> None:
    with empty_database(postgres_url) as url:
        database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=url))
        database.migrate()
        add(database, [replace(an_image(number), title="common") for number in range(4_100)])
        with explained(database.engine, frozenset(), ("catalog.",)) as plans:
            page, _ = images_of_anna(database, 20, search=Search(text="common", status="ready"))
        database.engine.dispose()
    assert len(page) == 20
    *_, rows = plans.rows["finding.Finding.page"]
    assert rows < 100


def test_images_that_come_and_go_while_pages_are_read_leave_no_gap(
    catalog_database: Database[Store], steps: Steps
) -> None:
    made = [replace(an_image(number), title="common") for number in range(4_500)]
    add(catalog_database, made)
    search = Search(text="common", status="ready")
    keys, after = [], None
    for number in range(10_000, 10_020):
        page, end = catalog_database.read(
            use_cases.find_images, ANNA, search, limit=1000, max_bytes=PAGE_BYTES, after=after
        )
        keys += [image.s3_key for image in page]
        if end is None:
            break
        after = end
        add(catalog_database, [replace(an_image(number), title="common")])
        steps.delete(made[0].s3_key)
        del made[0]
    assert len(keys) == len(set(keys))
    assert set(keys) >= set(expected(made, search))


def test_no_search_finds_what_is_anothers(catalog_database: Database[Store], some: list[Image]) -> None:
    assert len(some) == 60
    with pytest.raises(CollectionNotFoundError):
        catalog_database.read(
            use_cases.find_images, BERT, EVERYTHING, "some", limit=10, max_bytes=PAGE_BYTES, after=None
        )
    for search in (Search(text="cat"), Search(sha256=SAME), Search(text=ANNA.user_id), Search(status="failed")):
        page, _ = catalog_database.read(
            use_cases.find_images, BERT, search, limit=1000, max_bytes=PAGE_BYTES, after=None
        )
        assert {image.user_id for image in page} <= {BERT.user_id}


# --- counts ---


def recounted(database: Database[Store], caller: str) -> Stats:
    """Return what the counts should be."""
    with database.engine.connect() as connection:
        rows = [row for row in connection.execute(images.select()) if row.user_id == caller]
    known = sorted({row.content_type for row in rows if row.content_type})
    by_format = {name: [row.bytes for row in rows if row.content_type == name] for name in known}
    formats = [FormatStats(name, len(sizes), sum(sizes)) for name, sizes in by_format.items()]
    formats.sort(key=lambda each: (-each.images, each.content_type))
    pending, ready, failed = (sum(row.status == each for row in rows) for each in ("pending", "ready", "failed"))
    return Stats(pending, ready, failed, tuple(formats))


def test_counts_follow_every_change(steps: Steps) -> None:
    def demand_right_counts() -> None:
        for caller in (ANNA, BERT):
            assert steps.database.read(use_cases.stats, caller) == recounted(steps.database, caller.user_id)

    png = replace(picture("other"), content_type="image/png", bytes=99)
    for number in range(4):
        steps.register(f"a/{number}")
    steps.register("b", BERT)
    demand_right_counts()
    for number in range(3):
        steps.processed(steps.image(f"a/{number}"))
    steps.answer(Failed(steps.image("a/3").registration, Fault("malformed", "broken")))
    demand_right_counts()
    steps.answer(Processed(steps.reprocess("a/0").registration, png))  # another format
    steps.reprocess("a/1")
    demand_right_counts()
    steps.failed(steps.image("a/1"))
    steps.delete("a/2")
    demand_right_counts()
    assert steps.database.read(use_cases.stats, ANNA) == Stats(0, 1, 2, (FormatStats("image/png", 1, 99),))
    assert forget_user(steps.database.transact, ANNA.user_id, 10)
    assert steps.database.read(use_cases.stats, ANNA) == Stats()
    demand_right_counts()


def test_images_of_an_earlier_release_are_counted_by_the_migration(any_database_url: str, tmp_path: Path) -> None:
    settings = catalog.settings.DatabaseSettings(database_url=any_database_url)
    database = catalog.bootstrap.make_database(settings)
    at_release(database, "0013", tmp_path / "earlier").migrate()
    with database.engine.begin() as connection:
        rows = [as_written(connection, images, row_from_image(an_image(number))) for number in range(60)]
        connection.execute(images.insert(), rows)
    database.migrate()
    assert database.read(use_cases.stats, ANNA) == recounted(database, ANNA.user_id)
    assert database.read(use_cases.stats, ANNA).pending == 15
    database.engine.dispose()


def test_whoever_changes_images_takes_the_counts_of_a_user_in_one_order(postgres_url: str) -> None:
    """Else registrations and results of a user who uploads much deadlock, again and again."""
    with empty_database(postgres_url) as url:
        database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=url))
        database.migrate()
        add(database, [an_image(0)])
        changes = (
            images.insert().values(row_from_image(an_image(4))),
            sa.text("UPDATE images SET status = 'ready', content_type = 'image/png', bytes = 10"),
            images.delete(),
        )
        for change in changes:
            with database.engine.connect() as first, ThreadPoolExecutor(1) as thread:
                first.exec_driver_sql("SELECT * FROM use_of_users FOR UPDATE")
                second = thread.submit(_execute, database, change)
                until(lambda: waiting_for_locks(database) == 1, 10, "the change does not wait")
                first.exec_driver_sql("SET lock_timeout = '2s'")
                first.exec_driver_sql("UPDATE images_of_users SET pending = pending")
                first.commit()
                second.result()
        database.engine.dispose()


def _execute(database: Database[Store], statement: sa.Executable) -> None:
    with database.engine.begin() as connection:
        connection.execute(statement)


def waiting_for_locks(database: Database[Store]) -> int:
    query = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    with database.engine.connect() as connection:
        return int(connection.exec_driver_sql(query).scalar_one())
