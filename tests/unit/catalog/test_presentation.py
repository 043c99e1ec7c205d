"""How images and collections look; entity tags tell of it by a number only."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

from catalog.domain import Collection, Fault, Image, Thumb
from catalog.web import presentation, tags
from catalog_steps import BUCKETS, picture

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
PENDING = Image("id", "user", "pics", "a/ä b.jpg", "A title", 'A "description"', "pending", 1, MOMENT, MOMENT, MOMENT)
READY = replace(PENDING, status="ready", picture=picture(), date_pending=None)
FAILED = replace(PENDING, status="failed", error=Fault("malformed", "It is broken."))


def test_whoever_changes_how_something_looks_raises_the_number_of_the_format() -> None:
    """Else clients that have it in the old form are answered that theirs is current."""
    shown = [presentation.public_image(image, BUCKETS) for image in (PENDING, READY, FAILED)]
    shown += [presentation.private_image(image, BUCKETS, "anna") for image in (PENDING, READY, FAILED)]
    collection = Collection("id", "user", "name", MOMENT)
    shown += [presentation.public_collection(collection), presentation.private_collection(collection, "anna")]
    digest = hashlib.sha256(json.dumps(shown).encode()).hexdigest()[:16]
    assert (tags.FORMAT, digest) == (4, "ae0e7da681b894f6"), "raise tags.FORMAT, then write both here"


def addresses(image: Image) -> set[str]:
    """Return the queries of all addresses of `image`."""
    shown = presentation.public_image(image, BUCKETS)
    return {url.partition("?")[2] for url in (shown["url"], *(thumb["url"] for thumb in shown["thumbs"]))}


def test_addresses_of_a_first_generation_are_plain() -> None:
    assert addresses(READY) == addresses(PENDING) == {""}


def test_addresses_tell_the_generation_of_the_picture_that_is_shown() -> None:
    ready = replace(READY, generation=3)
    assert addresses(ready) == addresses(replace(FAILED, generation=3)) == {"v=3"}
    assert addresses(replace(ready, status="pending", generation=4)) == {"v=3"}  # until the new one is there
    assert addresses(replace(READY, status="pending", generation=2)) == {""}
    assert addresses(replace(PENDING, generation=4)) == {"v=4"}  # there is no earlier one


def test_display_picture_is_shown_at_the_key_of_its_square_and_null_where_there_is_none() -> None:
    scan = replace(READY, picture=replace(picture(), display=Thumb(2048, 2048, 1536)))
    expected = {"size": {"width": 2048, "height": 1536}, "url": "https://pics.test/a/t2048/%C3%A4%20b.jpg"}
    for image, display in ((scan, expected), (READY, None), (PENDING, None), (FAILED, None)):
        assert presentation.public_image(image, BUCKETS)["display"] == display
        assert presentation.private_image(image, BUCKETS, "anna")["display"] == display
