"""Collections are renamed and described, and their members moved, alike on both databases."""

import random
from pathlib import Path

import pytest
import sqlalchemy as sa

import catalog.bootstrap
import catalog.settings
from catalog import use_cases
from catalog.adapters.store import Store
from catalog.adapters.tables import memberships
from catalog.domain import Chosen, Collection
from catalog.errors import CollectionNameTakenError, CollectionNotFoundError, NotAMemberError
from catalog.places import START
from catalog_steps import ANNA, BERT, Steps, page_of
from chassis.database.database import Database
from chassis.tokens import Principal
from chassis.web.paging import PAGE_BYTES
from clients import ValidatingClient
from earlier_release import at_release
from web_stack import WebStack

KEYS = [f"k/{number}" for number in range(6)]


@pytest.fixture
def collection(steps: Steps, catalog_database: Database[Store]) -> Collection:
    """A collection of Anna with `KEYS`."""
    made = catalog_database.transact(use_cases.create_collection, ANNA, "c")
    for key in KEYS:
        steps.register(key)
        catalog_database.transact(use_cases.put_member, ANNA, "c", key)
    return made


def shown(database: Database[Store], collection: Collection, limit: int = 2) -> list[str]:
    """Return the keys of the members, page by page."""
    keys, after = [], START
    while page := page_of(database, use_cases.list_members, collection, limit, PAGE_BYTES, after):
        keys += [image.s3_key for _, image in page]
        after = page[-1][0]
    return keys


def put(database: Database[Store], key: str, after: str | None) -> None:
    database.transact(use_cases.put_member, ANNA, "c", key, behind=Chosen(after))


def rows(database: Database[Store]) -> dict[str, tuple[int, int]]:
    with database.engine.connect() as connection:
        return {row.image_id: (row.position, row.shift) for row in connection.execute(sa.select(memberships))}


def test_members_are_moved_anywhere_and_no_other_is_rewritten(
    catalog_database: Database[Store], collection: Collection, steps: Steps
) -> None:
    order = KEYS.copy()
    steps.register("new")
    chance = random.Random(7)
    for _ in range(40):
        key = chance.choice([*KEYS, "new"])
        others = [each for each in order if each != key]
        after = chance.choice([None, *others])
        before = rows(catalog_database)
        put(catalog_database, key, after)
        order = others
        order.insert(0 if after is None else order.index(after) + 1, key)
        assert shown(catalog_database, collection) == order
        changed = before.items() ^ rows(catalog_database).items()
        assert {image_id for image_id, _ in changed} <= {steps.image(key).image_id}


def test_members_are_moved_to_one_spot_again_and_again(
    catalog_database: Database[Store], collection: Collection
) -> None:
    for number in range(60):
        put(catalog_database, KEYS[1 + number % 5], KEYS[0])
    assert shown(catalog_database, collection) == [KEYS[0], *reversed(KEYS[1:])]


def test_putting_a_member_where_it_is_changes_nothing(
    catalog_database: Database[Store], collection: Collection
) -> None:
    before = rows(catalog_database), catalog_database.read(use_cases.public_collection, "c")
    put(catalog_database, KEYS[2], KEYS[1])
    put(catalog_database, KEYS[0], None)
    catalog_database.transact(use_cases.put_member, ANNA, "c", KEYS[3])
    assert (rows(catalog_database), catalog_database.read(use_cases.public_collection, "c")) == before
    assert shown(catalog_database, collection) == KEYS


def test_place_behind_what_is_no_other_member_is_refused(
    catalog_database: Database[Store], collection: Collection, steps: Steps
) -> None:
    steps.register("outside")
    steps.register("of bert", BERT)
    for after in ("outside", "of bert", "nothing", KEYS[0]):
        with pytest.raises(NotAMemberError):
            put(catalog_database, KEYS[0], after)
    assert shown(catalog_database, collection) == KEYS


def change(database: Database[Store], name: str = "c", caller: Principal = ANNA, **fields: object) -> Collection:
    given = {"new_name": None, "title": None, "description": None, "cover": None, **fields}
    return database.transact(use_cases.change_collection, caller, name, lambda _, __: None, **given)  # type: ignore[arg-type]


def test_collection_is_renamed_and_keeps_its_members(catalog_database: Database[Store], collection: Collection) -> None:
    catalog_database.transact(use_cases.create_collection, BERT, "taken")
    with pytest.raises(CollectionNameTakenError):
        change(catalog_database, new_name="taken")
    with pytest.raises(CollectionNotFoundError):
        change(catalog_database, caller=BERT, title="mine")
    change(catalog_database, new_name="d", title="A title")
    with pytest.raises(CollectionNotFoundError):
        catalog_database.read(use_cases.public_collection, "c")
    found = catalog_database.read(use_cases.public_collection, "d")
    assert (found.collection_id, found.title) == (collection.collection_id, "A title")
    assert shown(catalog_database, found) == KEYS


def test_cover_is_gone_with_its_membership(
    catalog_database: Database[Store], collection: Collection, steps: Steps
) -> None:
    assert collection.cover is None
    steps.register("outside")
    with pytest.raises(NotAMemberError):
        change(catalog_database, cover=Chosen("outside"))
    for take_away in (
        lambda: catalog_database.transact(use_cases.remove_member, ANNA, "c", KEYS[1]),
        lambda: steps.delete(KEYS[1]),
        lambda: change(catalog_database, cover=Chosen(None)),
    ):
        assert change(catalog_database, cover=Chosen(KEYS[1])).cover == KEYS[1]
        assert catalog_database.read(use_cases.list_collections, ANNA, 10, None)[0].cover == KEYS[1]
        take_away()
        assert catalog_database.read(use_cases.public_collection, "c").cover is None
        if catalog_database.read(use_cases.public_images, [KEYS[1]]) == {}:
            steps.register(KEYS[1])
        catalog_database.transact(use_cases.put_member, ANNA, "c", KEYS[1])


def test_members_of_an_earlier_release_keep_their_order_and_can_be_moved(any_database_url: str, tmp_path: Path) -> None:
    database = catalog.bootstrap.make_database(catalog.settings.DatabaseSettings(database_url=any_database_url))
    at_release(database, "0015", tmp_path / "earlier").migrate()
    moment = "2026-01-02 03:04:05.678900"
    with database.engine.begin() as connection:
        connection.exec_driver_sql(f"INSERT INTO collections VALUES ('c', '{ANNA.user_id}', 'c', '{moment}')")  # noqa: S608
        for key in KEYS:
            connection.exec_driver_sql(f"""
                INSERT INTO images (image_id, user_id, s3_bucket, s3_key, title, description, status, generation,
                                    date_created, date_updated)
                VALUES ('{key}', '{ANNA.user_id}', 'pics', '{key}', '', '', 'pending', 1, '{moment}', '{moment}')
            """)  # noqa: S608 - nothing in it comes from outside
            connection.exec_driver_sql(f"INSERT INTO memberships (collection_id, image_id) VALUES ('c', '{key}')")  # noqa: S608
    database.migrate()
    found = database.read(use_cases.public_collection, "c")
    assert shown(database, found) == KEYS
    put(database, KEYS[5], KEYS[0])
    assert shown(database, found) == [KEYS[0], KEYS[5], *KEYS[1:5]]
    with pytest.raises(sa.exc.IntegrityError), database.engine.begin() as connection:
        connection.execute(memberships.update().values(position=1, shift=0))
    database.engine.dispose()


# --- through the gateway ---


@pytest.fixture
def anna(web_stack: WebStack) -> ValidatingClient:
    """A user with a collection of three images."""
    web_stack.start_all()
    client = web_stack.anna()
    assert client.post("/api/collections", json={"name": "c"}).status == 201
    for key in KEYS[:3]:
        assert client.post("/api/images", json={"s3_key": key}).status == 201
        assert client.put(f"/api/collections/c/images/{key}").status == 200
    return client


def order_of(client: ValidatingClient) -> list[str]:
    return [image["s3_key"] for image in client.get("/api/collections/c").json()["images"]]


def test_json_and_forms_move_members(anna: ValidatingClient) -> None:
    assert anna.put("/api/collections/c/images/k/2", json={"after": None}).status == 200
    assert order_of(anna) == ["k/2", "k/0", "k/1"]
    assert anna.put("/api/collections/c/images/k/2", form={"after": "k/0"}).status == 200
    assert order_of(anna) == ["k/0", "k/2", "k/1"]
    assert anna.put("/api/collections/c/images/k/1", form={"after": ""}).status == 200
    assert order_of(anna) == ["k/1", "k/0", "k/2"]
    for body in ({"after": "nothing"}, {"after": "k/1"}):
        answer = anna.put("/api/collections/c/images/k/1", json=body)
        assert (answer.status, answer.code, answer.faulty_fields) == (422, "not-a-member", {"/after"})
    for wrong in ({"after": ""}, {"after": 1}, {"behind": "k/0"}):
        assert anna.put("/api/collections/c/images/k/1", json=wrong).code == "invalid-fields"
    assert order_of(anna) == ["k/1", "k/0", "k/2"]


def test_collection_is_changed_if_it_is_as_it_was_read(anna: ValidatingClient) -> None:
    tag = anna.get("/api/collections/c?limit=1").headers["ETag"]
    changed = anna.put("/api/collections/c", json={"title": "A", "cover": "k/1"}, headers={"If-Match": tag})
    assert (changed.status, changed.json()["title"], changed.json()["cover"]) == (200, "A", "k/1")
    for stale in (tag, '"x"'):
        assert anna.put("/api/collections/c", json={"title": "B"}, headers={"If-Match": stale}).status == 412
    tag = anna.get("/api/collections/c").headers["ETag"]
    public = anna.get("/api/c/c")
    assert (public.json()["title"], public.json()["cover"]) == ("A", "k/1")
    assert anna.put("/api/collections/c/images/k/2", json={"after": None}).status == 200
    assert anna.delete("/api/collections/c", headers={"If-Match": tag}).status == 412, "in another order"
    assert anna.put("/api/collections/c", form={"name": "d", "cover": ""}).json()["cover"] is None
    assert anna.get("/api/collections/c").status == 404
    assert anna.post("/api/collections", json={"name": "c"}).status == 201, "the old name is free"
    assert anna.put("/api/collections/d", json={"name": "c"}).code == "collection-name-taken"
    for wrong in ({"name": ""}, {"name": None}, {"title": None}, {"cover": ""}, {"color": "red"}):
        assert anna.put("/api/collections/d", json=wrong).code == "invalid-fields"
