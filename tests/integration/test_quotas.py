"""What each user may have: counted with every change, on both databases, and never exceeded in a race."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import sqlalchemy as sa

import catalog.bootstrap
import catalog.settings
from catalog import use_cases
from catalog.adapters.rows import row_from_image
from catalog.adapters.store import Store
from catalog.adapters.tables import collections, images, use_of_users
from catalog.domain import Image, Limits, Picture, Use
from catalog.errors import CollectionNameTakenError, ImageExistsError, QuotaExceededError
from catalog.users import forget_user
from catalog_steps import ANNA, BERT, BUCKETS, Steps, picture
from chassis.clock import now
from chassis.database.database import Database
from chassis.tokens import Principal
from earlier_release import as_written, at_release
from races import while_open
from web_stack import WebStack

SIZE = picture().bytes


def register(store: Store, key: str, limits: Limits, caller: Principal = ANNA) -> None:
    use_cases.register_image(
        store, caller, BUCKETS, s3_bucket="pics", s3_key=key, title="", description="", limits=limits
    )


def use(database: Database[Store], caller: Principal = ANNA) -> Use:
    return database.read(Store.use, caller.user_id)


def succeed(tasks: list[Callable[[], object]]) -> int:
    """Begin all `tasks` at the same moment; return how many were not refused for a quota."""
    begin = Barrier(len(tasks))

    def attempt(task: Callable[[], object]) -> bool:
        begin.wait()
        try:
            task()
        except QuotaExceededError:
            return False
        return True

    with ThreadPoolExecutor(len(tasks)) as pool:
        return sum(pool.map(attempt, tasks))


def test_use_follows_whatever_is_made_measured_and_deleted(steps: Steps) -> None:
    database = steps.database
    assert use(database) == Use()
    for key in ("a", "b", "c"):
        steps.register(key)
    steps.register("of bert", BERT)
    database.transact(use_cases.create_collection, ANNA, "one")
    assert use(database) == Use(images=3, bytes=0, collections=1)
    steps.processed(steps.image("a"))
    steps.processed(steps.image("b"))
    steps.failed(steps.image("c"))
    assert use(database) == Use(3, 2 * SIZE, 1)
    steps.processed(steps.image("a"))  # the answer comes a second time
    assert use(database) == Use(3, 2 * SIZE, 1)
    steps.reprocess("a")
    assert use(database) == Use(3, 2 * SIZE, 1)  # the old picture is shown meanwhile
    steps.failed(steps.image("a"))
    assert use(database) == Use(3, SIZE, 1)
    steps.delete("b")
    database.transact(use_cases.delete_collection, ANNA, "one", lambda _store, _collection: None)
    assert use(database) == Use(2, 0, 0)
    assert use(database, BERT) == Use(1, 0, 0)


def test_image_beyond_the_limit_is_refused_and_nothing_is_changed(steps: Steps) -> None:
    database, limits = steps.database, Limits(images=2)
    for key in ("a", "b"):
        database.transact(register, key, limits)
    for _ in range(2):
        with pytest.raises(QuotaExceededError) as refused:
            database.transact(register, "c", limits)
        assert refused.value.members == {"quota": "images", "limit": 2, "use": 2}
    assert steps.jobs("c") == []
    database.transact(register, "c", limits, BERT)
    with pytest.raises(ImageExistsError):  # it would be no new image
        database.transact(register, "a", limits)
    steps.reprocess("a")
    steps.delete("a")
    database.transact(register, "a", limits)
    assert use(database) == Use(images=2)


def test_who_may_register_no_more_is_given_no_form_to_upload_with(steps: Steps) -> None:
    database = steps.database
    steps.register("a")
    for limits, is_given in ((Limits(images=2), True), (Limits(images=1), False), (Limits(bytes=1), True)):
        if is_given:
            database.transact(use_cases.hand_out_prefix, ANNA, limits)
            continue
        with pytest.raises(QuotaExceededError):
            database.transact(use_cases.hand_out_prefix, ANNA, limits)
    steps.processed(steps.image("a"))
    with pytest.raises(QuotaExceededError):
        database.transact(use_cases.hand_out_prefix, ANNA, Limits(bytes=1))


def test_images_are_refused_once_the_known_bytes_reach_the_limit(steps: Steps) -> None:
    database, limits = steps.database, Limits(bytes=2 * SIZE)
    for key in ("a", "b", "c"):
        database.transact(register, key, limits)
    for key in ("a", "b"):
        steps.processed(steps.image(key))
    with pytest.raises(QuotaExceededError) as refused:
        database.transact(register, "d", limits)
    assert refused.value.members == {"quota": "bytes", "limit": 2 * SIZE, "use": 2 * SIZE}
    steps.processed(steps.image("c"))  # was registered before, and is processed all the same
    assert use(database) == Use(3, 3 * SIZE)
    steps.delete("c")
    steps.delete("b")
    database.transact(register, "d", limits)


def test_collection_beyond_the_limit_is_refused(steps: Steps) -> None:
    database, limits = steps.database, Limits(collections=1)
    database.transact(use_cases.create_collection, ANNA, "one", limits)
    with pytest.raises(QuotaExceededError) as refused:
        database.transact(use_cases.create_collection, ANNA, "two", limits)
    assert refused.value.members == {"quota": "collections", "limit": 1, "use": 1}
    with pytest.raises(CollectionNameTakenError):
        database.transact(use_cases.create_collection, ANNA, "one", limits)
    database.transact(use_cases.create_collection, BERT, "two", limits)
    assert use(database) == Use(collections=1)


@pytest.mark.parametrize("before", [0, 1, 4])
def test_of_many_at_the_limit_as_many_succeed_as_there_is_room_for(steps: Steps, before: int) -> None:
    """Also where the user had nothing before, so that there is no row that could be locked."""
    database = steps.database
    for number in range(before):
        steps.register(f"before/{number}")
        database.transact(use_cases.create_collection, ANNA, f"before-{number}")
    limits = Limits(images=before + 1, collections=before + 2)
    registering: list[Callable[[], object]] = [
        partial(database.transact, register, f"new/{number}", limits) for number in range(6)
    ]
    assert succeed(registering) == 1
    making: list[Callable[[], object]] = [
        partial(database.transact, use_cases.create_collection, ANNA, f"new-{number}", limits) for number in range(6)
    ]
    assert succeed(making) == 2
    assert use(database) == Use(images=before + 1, collections=before + 2)


@pytest.mark.parametrize("before", [0, 1])
def test_who_comes_while_the_last_place_is_being_taken_is_refused(steps: Steps, before: int) -> None:
    database, limits = steps.database, Limits(images=before + 1, collections=before + 1)
    for number in range(before):
        steps.register(f"before/{number}")
        database.transact(use_cases.create_collection, ANNA, f"before-{number}")
    with pytest.raises(QuotaExceededError):
        while_open(
            database,
            lambda store: register(store, "a", limits),
            lambda: database.transact(register, "b", limits),
        )
    with pytest.raises(QuotaExceededError):
        while_open(
            database,
            lambda store: use_cases.create_collection(store, ANNA, "a", limits),
            lambda: database.transact(use_cases.create_collection, ANNA, "b", limits),
        )
    assert use(database) == Use(images=before + 1, collections=before + 1)


def test_limit_without_a_row_leaves_no_row_behind_a_refusal(steps: Steps) -> None:
    with pytest.raises(QuotaExceededError):
        steps.database.transact(refuse)
    with steps.database.engine.connect() as connection:
        assert connection.execute(sa.select(use_of_users)).all() == []


def refuse(store: Store) -> None:
    store.locked_use(ANNA.user_id)
    raise QuotaExceededError("images", 1, 1)


def test_of_a_deleted_user_not_even_the_count_is_left(steps: Steps) -> None:
    for number in range(3):
        steps.register(f"a/{number}")
        steps.database.transact(use_cases.create_collection, ANNA, f"c{number}")
    steps.processed(steps.image("a/1"))
    steps.register("of bert", BERT)
    assert forget_user(steps.database.transact, ANNA.user_id, 10)
    with steps.database.engine.connect() as connection:
        assert connection.scalars(sa.select(use_of_users.c.user_id)).all() == [BERT.user_id]


def test_results_come_while_their_user_is_deleted(steps: Steps) -> None:
    """A deletion that has locked the count must not wait for a key whose result waits for the count."""
    registered = [steps.register(f"a/{number}") for number in range(60)]
    steps.database.transact(use_cases.create_collection, ANNA, "one")
    deadlocks: list[str] = []

    def note(context: Any) -> None:
        deadlocks.append(str(context.original_exception))

    sa.event.listen(steps.database.engine, "handle_error", note)
    with ThreadPoolExecutor(4) as pool:
        answered = [pool.submit(steps.processed, image) for image in reversed(registered)]
        assert forget_user(steps.database.transact, ANNA.user_id, 30)
    for each in answered:
        each.result()
    assert deadlocks == []


def row_of_image(key: str, caller: Principal, shown: Picture | None) -> dict[str, Any]:
    """Return the row of an image of `caller`, ready if there is a picture."""
    moment = now()
    return row_from_image(
        Image(
            image_id=str(uuid.uuid4()),
            user_id=caller.user_id,
            s3_bucket="pics",
            s3_key=key,
            title="",
            description="",
            status="ready" if shown else "pending",
            generation=1,
            date_created=moment,
            date_updated=moment,
            picture=shown,
        )
    )


def row_of_collection(name: str, caller: Principal) -> dict[str, Any]:
    """Return the row of a collection of `caller`, as that release wrote it."""
    return {"collection_id": str(uuid.uuid4()), "user_id": caller.user_id, "name": name, "date_created": now()}


def test_migration_counts_what_is_there_and_what_an_earlier_release_adds(any_database_url: str, tmp_path: Path) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=any_database_url))
    at_release(database, "0007", tmp_path / "before").migrate()
    with database.engine.begin() as connection:  # as that release did, whose tables have fewer columns
        for key in ("a/0", "a/1", "a/2", "a/3", "a/4", "b"):
            shown = picture() if key in {"a/1", "a/2"} else None
            row = row_of_image(key, BERT if key == "b" else ANNA, shown)
            connection.execute(images.insert().values(as_written(connection, images, row)))
        only_a_collection = Principal("33333333-3333-3333-3333-333333333333", "cora", "password")
        for name, caller in (("one", ANNA), ("two", only_a_collection)):
            connection.execute(collections.insert().values(row_of_collection(name, caller)))
    database.migrate()
    assert use(database) == Use(5, 2 * SIZE, 1)
    assert use(database, BERT) == Use(1, 0, 0)
    assert use(database, only_a_collection) == Use(0, 0, 1)
    with database.engine.begin() as connection:  # as a process does that knows nothing of counts
        connection.execute(images.update().where(images.c.s3_key == "a/3").values(bytes=7, title="new"))
        connection.execute(images.update().where(images.c.s3_key == "a/1").values(bytes=None))
        connection.execute(images.delete().where(images.c.s3_key == "a/2"))
        connection.execute(collections.delete())
    assert use(database) == Use(4, 7, 0)
    database.engine.dispose()


# --- through the gateway ---


def test_refusal_names_quota_limit_and_use(web_stack: WebStack) -> None:
    web_stack.start("auth", API_KEYS_PER_USER="1")
    web_stack.start("catalog", IMAGES_PER_USER="2", COLLECTIONS_PER_USER="1")
    web_stack.start("gateway")
    anna = web_stack.anna()
    for key in ("a", "b"):
        assert anna.post("/api/images", json={"s3_key": key}).status == 201
    refused = anna.post("/api/images", json={"s3_key": "c"})
    assert (refused.status, refused.code) == (403, "quota-exceeded")
    assert {name: refused.json()[name] for name in ("quota", "limit", "use")} == {
        "quota": "images",
        "limit": 2,
        "use": 2,
    }
    assert anna.get("/api/images/c").status == 404
    assert anna.post("/api/images", json={"s3_key": "a"}).code == "image-exists"
    assert anna.put("/api/images/a", json={"title": "new", "reprocess": True}).status == 200
    assert anna.post("/api/collections", json={"name": "one"}).status == 201
    assert anna.post("/api/collections", json={"name": "two"}).json()["quota"] == "collections"
    assert anna.post("/api/api-keys").status == 201
    assert anna.post("/api/api-keys").json()["quota"] == "api_keys"
    assert anna.put("/api/collections/one/images/a").status == 200
    assert anna.delete("/api/images/b").status == 204
    assert anna.post("/api/images", json={"s3_key": "c"}).status == 201


def test_all_processes_of_catalog_share_a_quota(web_stack: WebStack) -> None:
    web_stack.start("auth")
    web_stack.start("catalog", IMAGES_PER_USER="3", WEB_PROCESSES="3")
    web_stack.start("gateway")
    assert web_stack.anna().get("/api/images").status == 200  # so that the password is known
    begin = Barrier(8)

    def attempt(number: int) -> int:
        begin.wait()
        return web_stack.anna().post("/api/images", json={"s3_key": f"k{number}"}).status

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(attempt, range(8))) == [201] * 3 + [403] * 5
    assert len(web_stack.anna().get("/api/images").json()) == 3
