"""How long users wait for an image: from its registration until it is ready, without what is asked for later."""

import structlog

from catalog.adapters.store import Store
from catalog.domain import Answer, Failed, Fault, Image, Processed
from catalog.jobs import recovery, results
from catalog.jobs.results import Outcome, Received
from catalog.key_queue import Effect
from catalog.worker import handler
from catalog_steps import Steps, picture
from chassis.clock import now
from chassis.database.database import Database
from chassis.envelope import Event
from metric_values import shown

NOTHING = Outcome(Effect.APPLIED)


def applied(database: Database[Store], answer: Answer) -> Outcome:
    (outcome,) = database.transact(results.apply, [Received(answer)])
    return outcome


def ready(database: Database[Store], image: Image) -> Outcome:
    return applied(database, Processed(image.registration, picture()))


def test_time_is_that_from_the_registration_to_the_first_result(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    image = steps.register()
    assert ready(catalog_database, image) == Outcome(Effect.APPLIED, image.date_created)
    assert ready(catalog_database, image) == Outcome(Effect.REPEATED)


def test_reprocessing_is_left_out(steps: Steps, catalog_database: Database[Store]) -> None:
    ready(catalog_database, steps.register())
    assert ready(catalog_database, steps.reprocess()) == NOTHING


def test_image_that_failed_first_is_left_out(steps: Steps, catalog_database: Database[Store]) -> None:
    failed = Failed(steps.register().registration, Fault("malformed", "broken"))
    assert applied(catalog_database, failed) == NOTHING
    assert ready(catalog_database, steps.reprocess()) == NOTHING


def test_time_goes_on_while_a_lost_job_is_sent_again(steps: Steps, catalog_database: Database[Store]) -> None:
    """Else the images for which users wait longest would count as quick."""
    image = steps.register()
    assert catalog_database.transact(recovery.restart, image.s3_bucket, image.s3_key, now())
    again = steps.image()
    assert again.generation == image.generation + 1
    assert ready(catalog_database, again) == Outcome(Effect.APPLIED, image.date_created)


def test_request_ids_that_are_too_long_for_an_exemplar_do_no_harm(
    steps: Steps, catalog_database: Database[Store]
) -> None:
    image = steps.register()
    before = shown("imghost_image_ready_duration_seconds_count")
    about = {"image_id": image.image_id, "generation": 1, "s3_bucket": image.s3_bucket, "s3_key": image.s3_key}
    found = picture()
    thumbs = [{"square": thumb.square, "width": thumb.width, "height": thumb.height} for thumb in found.thumbs]
    made = {name: getattr(found, name) for name in ("source_etag", "content_type", "bytes", "width", "height")}
    made |= {"colors": list(found.colors), "placeholder": "1QcSHQRnh493V4dIh4eXh1h4kJUI", "recipe": 1, "thumbs": thumbs}
    structlog.contextvars.bind_contextvars(request_id="x" * 128)
    handler(catalog_database, 1)(Event("image.processed", "/imaging", image.image_id, "x" * 128, {**about, **made}), 1)
    assert steps.image().status == "ready"
    assert shown("imghost_image_ready_duration_seconds_count") == before + 1
