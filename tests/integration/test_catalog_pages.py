"""Pages of images end at a number of bytes, and a client that has a page is answered without loading it."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from catalog import use_cases
from catalog.adapters.rows import row_from_image
from catalog.adapters.store import Store
from catalog.adapters.tables import images, memberships
from catalog.bootstrap import App
from catalog.buckets import Bucket, Buckets
from catalog.domain import Image
from catalog.places import START
from catalog.web.app import make_flask
from catalog_steps import ANNA, BUCKETS, Steps, images_of_anna, page_of
from chassis import token_keys, tokens
from chassis.clock import now
from chassis.database.database import Database
from chassis.token_keys import SigningKeys
from chassis.tokens import Principal
from chassis.web.paging import PAGE_BYTES

LISTS = ["/images", "/collection/images?name=c", "/collection?name=c", "/public/collection?name=c"]
WHOLE = ["/collection?name=c", "/public/collection?name=c"]
# How a description may be longer in JSON than in characters or in the database.
CHARACTERS = {"four bytes": "🏔", "escaped": "\x01", "quoted": '"', "plain": "a"}


@dataclass
class Client:
    """A client of catalog's HTTP side, and the statements that its requests have run."""

    http: FlaskClient
    headers: dict[str, str]
    statements: list[str] = field(default_factory=list)

    def send(self, method: str, target: str, **headers: str) -> TestResponse:
        self.statements.clear()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.http.open(target, method=method, headers={**self.headers, **named})

    def get(self, target: str, **headers: str) -> TestResponse:
        return self.send("GET", target, **headers)

    def pages(self, target: str, query: str = "") -> list[TestResponse]:
        """Return all pages of a list, the first with `query`, following its links."""
        found = [self.get(target + query)]
        while link := found[-1].headers.get("Link"):
            query = link.partition("?")[2].partition(">")[0]
            found.append(self.get(f"{target}{'&' if '?' in target else '?'}{query}"))
        return found


Make = Callable[..., Client]


@pytest.fixture
def client_of(catalog_database: Database[Store], tmp_path: Path) -> Iterator[Make]:
    """A function that makes a client of catalog with certain buckets, and of a certain caller."""
    token_keys.create_files(tmp_path / "private", tmp_path / "public")
    keys = SigningKeys(tmp_path / "private")
    listening: list[Callable[..., None]] = []

    def make(buckets: Buckets = BUCKETS, caller: Principal = ANNA) -> Client:
        flask = make_flask(App(catalog_database, buckets, None, keys, PAGE_BYTES))
        authorization = f"Bearer {tokens.sign(keys.signing(), 'catalog', caller)}"
        client = Client(flask.test_client(), {"Authorization": authorization})

        def note(*arguments: Any) -> None:
            if not arguments[2].startswith("BEGIN"):
                client.statements.append(arguments[2])

        sa.event.listen(catalog_database.engine, "before_cursor_execute", note)
        listening.append(note)
        return client

    yield make
    for note in listening:
        sa.event.remove(catalog_database.engine, "before_cursor_execute", note)


@pytest.fixture
def client(client_of: Make) -> Client:
    return client_of()


def fill(database: Database[Store], count: int, description: str) -> list[str]:
    """Register `count` images with a description, and put them into the collection `c`; return their keys in order."""
    collection = database.transact(use_cases.create_collection, ANNA, "c")
    made = [an_image(number, description) for number in range(count)]
    if not made:
        return []
    with database.engine.begin() as connection:
        connection.execute(images.insert(), [row_from_image(image) for image in made])
        members = [
            {"collection_id": collection.collection_id, "position": position, "image_id": image.image_id}
            for position, image in enumerate(made, 1)
        ]
        connection.execute(memberships.insert(), members)
    return [image.s3_key for image in made]


def an_image(number: int, description: str) -> Image:
    moment = now() + timedelta(microseconds=number)
    image_id = f"00000000-0000-4000-8000-{number:012}"
    key = f"k/{number:04}"
    return Image(image_id, ANNA.user_id, "pics", key, "", description, "failed", 1, moment, moment)


def shown(page: TestResponse) -> list[str]:
    document = json.loads(page.get_data())
    return [image["s3_key"] for image in (document["images"] if isinstance(document, dict) else document)]


@pytest.mark.parametrize("target", LISTS)
@pytest.mark.parametrize("kind", CHARACTERS)
def test_pages_end_at_their_bytes_and_together_show_everything(
    client: Client, catalog_database: Database[Store], target: str, kind: str
) -> None:
    keys = fill(catalog_database, 120, CHARACTERS[kind] * 10_000)
    pages = client.pages(target)
    assert [key for page in pages for key in shown(page)] == (keys[::-1] if target == "/images" else keys)
    assert all(len(page.get_data()) <= PAGE_BYTES for page in pages)
    size_of_one = len(pages[0].get_data()) / len(shown(pages[0]))
    assert all(len(page.get_data()) > PAGE_BYTES - 1.1 * size_of_one for page in pages[:-1]), "a page that is not full"


def test_what_a_page_has_no_place_for_is_not_loaded(catalog_database: Database[Store]) -> None:
    fill(catalog_database, 100, "🏔" * 10_000)
    collection = catalog_database.read(use_cases.own_collection, ANNA, "c")
    members = page_of(catalog_database, use_cases.list_members, collection, 1001, PAGE_BYTES, START)
    listed, end = images_of_anna(catalog_database, 1001)
    assert end is None
    for loaded in ([image for _, image in members], listed):
        assert sum(len(image.description.encode()) for image in loaded[:-1]) < PAGE_BYTES
        assert len(loaded) == 27, "those of the page, and the one that does not fit"


@pytest.mark.parametrize(("target", "most"), list(zip(LISTS, [1, 2, 3, 2], strict=True)))
def test_page_takes_few_statements(client: Client, catalog_database: Database[Store], target: str, most: int) -> None:
    """The collection, in its private form also how many members it has, and all rows of the page in one."""
    fill(catalog_database, 1000, "an ordinary description")
    client.get(target)
    assert len(client.statements) <= most


@pytest.mark.parametrize("target", WHOLE)
@pytest.mark.parametrize("count", [0, 1, 100])
def test_known_page_is_not_made_again(
    client: Client, catalog_database: Database[Store], target: str, count: int
) -> None:
    fill(catalog_database, count, "🏔" * 10_000)
    for page in client.pages(target):
        query = page.request.full_path
        again = client.get(query, If_None_Match=f'"other", W/{page.headers["ETag"]}')
        assert (again.status_code, again.get_data()) == (304, b"")
        assert (again.headers["ETag"], again.headers.get("Link")) == (page.headers["ETag"], page.headers.get("Link"))
        if count:
            assert not any("images.description" in statement for statement in client.statements)


@pytest.mark.parametrize("target", WHOLE)
def test_any_page_is_known_to_a_client_that_names_every_tag(
    client: Client, catalog_database: Database[Store], target: str
) -> None:
    fill(catalog_database, 3, "")
    page = client.get(target)
    again = client.get(target, If_None_Match="*")
    assert (again.status_code, again.headers["ETag"]) == (304, page.headers["ETag"])
    assert client.get(target, If_None_Match='"other"').status_code == 200


def test_pages_of_one_item_go_on_although_it_does_not_fit(client_of: Make, catalog_database: Database[Store]) -> None:
    """An operator may give a bucket a very long URL."""
    keys = fill(catalog_database, 3, "")
    long = Buckets({"pics": Bucket(f"https://pics.test/{'x' * 2 * PAGE_BYTES}/", ("",), {})}, "pics")
    client = client_of(long)
    for target in LISTS:
        pages = client.pages(target)
        assert [len(shown(page)) for page in pages] == [1, 1, 1]
        assert sorted(key for page in pages for key in shown(page)) == keys


TAGGED = ["/image?s3_key=a", "/public/image?s3_key=a", *WHOLE]


def tags(client: Client) -> dict[str, str]:
    return {target: client.get(target).headers["ETag"] for target in TAGGED}


def test_every_change_of_an_image_changes_all_tags(
    client: Client, steps: Steps, catalog_database: Database[Store]
) -> None:
    def change(title: str) -> None:
        catalog_database.transact(
            use_cases.change_image, ANNA, "a", lambda _: None, title=title, description=None, reprocess=False
        )

    def register_anew() -> None:
        steps.delete("a")
        steps.register("a")
        catalog_database.transact(use_cases.put_member, ANNA, "c", "a")

    changes: list[Callable[[], object]] = [
        lambda: change("one"),
        lambda: change("two"),
        lambda: change("one"),
        lambda: steps.processed(steps.image("a")),
        lambda: steps.reprocess("a"),
        lambda: steps.processed(steps.image("a"), "another"),
        lambda: steps.reprocess("a"),
        lambda: steps.failed(steps.image("a")),
        register_anew,
    ]
    steps.register("a")
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    catalog_database.transact(use_cases.put_member, ANNA, "c", "a")
    seen = set(tags(client).values())
    assert len(seen) == len(TAGGED), "two forms have one tag"
    for made, each in enumerate(changes, 2):
        each()
        after = tags(client)
        seen |= set(after.values())
        assert len(seen) == made * len(TAGGED)
        for target, tag in after.items():
            assert client.get(target, If_None_Match=tag).status_code == 304
    change("one")
    assert not seen & set(tags(client).values())


def test_tags_do_not_change_without_a_change(client: Client, steps: Steps, catalog_database: Database[Store]) -> None:
    image = steps.register("a")
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    catalog_database.transact(use_cases.put_member, ANNA, "c", "a")
    steps.processed(image)
    before = tags(client)
    steps.processed(image)
    catalog_database.transact(use_cases.put_member, ANNA, "c", "a")
    steps.register("b")
    assert tags(client) == before


def test_tags_change_with_what_else_the_answer_shows(
    client: Client, client_of: Make, steps: Steps, catalog_database: Database[Store]
) -> None:
    """The public address of a bucket is a setting, and the caller's name is in the private form."""
    steps.register("a")
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    catalog_database.transact(use_cases.put_member, ANNA, "c", "a")
    before = tags(client)
    moved = client_of(Buckets({"pics": Bucket("https://elsewhere.test/", ("",), {})}, "pics"))
    assert not set(before.values()) & set(tags(moved).values())
    renamed = tags(client_of(caller=replace(ANNA, username="annika")))
    assert {target for target in TAGGED if renamed[target] == before[target]} == {TAGGED[1], TAGGED[3]}


def test_tag_of_a_page_is_of_its_members_in_their_order_and_of_its_link(
    client: Client, steps: Steps, catalog_database: Database[Store]
) -> None:
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    for key in "abc":
        steps.register(key)
        catalog_database.transact(use_cases.put_member, ANNA, "c", key)
    for target in WHOLE:
        first = client.get(f"{target}&limit=1")
        second = client.get(f"{target}&limit=2")
        whole, again = client.get(target), client.get(f"{target}&limit=3")
        assert len({answer.headers["ETag"] for answer in (first, second, whole)}) == 3
        assert whole.headers["ETag"] == again.headers["ETag"]
        for known in (first, second):
            assert client.get(target, If_None_Match=known.headers["ETag"]).status_code == 200
    before = [client.get(target).headers["ETag"] for target in WHOLE]
    catalog_database.transact(use_cases.remove_member, ANNA, "c", "a")
    catalog_database.transact(use_cases.put_member, ANNA, "c", "a")
    assert [client.get(target).headers["ETag"] for target in WHOLE] != before
    assert all(shown(client.get(target)) == ["b", "c", "a"] for target in WHOLE)


@pytest.mark.parametrize("query", ["", "&limit=1", "&limit=2"])
def test_tag_of_any_page_is_good_for_if_match_while_the_membership_is_unchanged(
    client: Client, steps: Steps, catalog_database: Database[Store], query: str
) -> None:
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    for key in "abc":
        steps.register(key)
        catalog_database.transact(use_cases.put_member, ANNA, "c", key)
    found = [page.headers["ETag"] for page in client.pages("/collection?name=c", query)]
    public = client.get("/public/collection?name=c").headers["ETag"]
    steps.processed(steps.image("a"))  # the images themselves may change
    for change in (use_cases.remove_member, use_cases.put_member):
        catalog_database.transact(change, ANNA, "c", "c")
        for tag in (*found, public):
            answer = client.send("DELETE", "/collection?name=c", If_Match=tag)
            assert answer.status_code == 412, "another set of images"
    tag = client.pages("/collection?name=c", query)[-1].headers["ETag"]
    steps.processed(steps.image("b"))
    assert client.send("DELETE", "/collection?name=c", If_Match=f'"x", W/{tag}').status_code == 204


def test_deletion_of_a_member_beyond_the_first_page_makes_the_tag_stale(
    client: Client, catalog_database: Database[Store]
) -> None:
    keys = fill(catalog_database, 1001, "")
    tag = client.get("/collection?name=c").headers["ETag"]
    catalog_database.transact(use_cases.delete_image, ANNA, keys[-1], lambda _: None)
    assert client.send("DELETE", "/collection?name=c", If_Match=tag).status_code == 412
    tag = client.get("/collection?name=c&limit=10").headers["ETag"]
    assert client.send("DELETE", "/collection?name=c", If_Match=tag).status_code == 204


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_image_that_is_no_member_matches_no_tag(
    client: Client, steps: Steps, catalog_database: Database[Store], method: str
) -> None:
    catalog_database.transact(use_cases.create_collection, ANNA, "c")
    steps.register("a")
    for tag in ("*", client.get("/image?s3_key=a").headers["ETag"]):
        answer = client.send(method, "/collection/image?name=c&s3_key=a", If_Match=tag)
        assert answer.status_code == 412
    assert client.get("/collection/images?name=c").json == []
