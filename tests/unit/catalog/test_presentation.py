"""How images and collections look; entity tags tell of it by a number only."""

import hashlib
import json
from dataclasses import replace
from datetime import UTC, datetime

from catalog.domain import Collection, Fault, Image
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
    assert (tags.FORMAT, digest) == (4, "be349b22cc18b105"), "raise tags.FORMAT, then write both here"
