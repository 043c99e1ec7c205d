"""The views of images: parse, call, present."""

from typing import Any

from flask import Blueprint, Response, jsonify, request

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.domain import Image
from catalog.keys import is_acceptable_key
from catalog.web import presentation, schemas, searches, tags
from catalog.web.context import app, created, named_key
from chassis import audit, request_ids
from chassis.tokens import Principal
from chassis.web import bodies, etags, json_provider, paging
from chassis.web.access import actor, caller
from chassis.web.idempotency import once
from chassis.web.paging import Listing, Moment

routes = Blueprint("images", __name__)


@routes.get("/public/image")
def get_public_image() -> Response:
    """Show an image to anybody."""
    buckets = app().buckets
    image = app().database.read(use_cases.public_image, named_key())
    tag = tags.public_image(image.version, buckets)
    return etags.unless_known(request, tag, lambda: jsonify(presentation.public_image(image, buckets)))


@routes.post("/public/images")
def get_public_images() -> Response:
    """Show several images to anybody, each as alone.

    The first line of the body is a list with an entry for each image: its tag, and how many of the bytes that follow
    are its representation, null if that is known by the tag. The entry is null if there is no image.
    """
    asked = bodies.read(request, schemas.PublicImages)
    request_ids.note_several(asked.requests)
    buckets = app().buckets
    found = app().database.read(use_cases.public_images, [key for key in asked.s3_keys if is_acceptable_key(key)])
    head: list[tuple[str, int | None] | None] = []
    parts: list[bytes] = []
    for s3_key, known in zip(asked.s3_keys, asked.tags, strict=True):
        image = found.get(s3_key)
        if image is None:
            head.append(None)
            continue
        tag = tags.public_image(image.version, buckets)
        if tag == known:
            head.append((tag, None))
            continue
        parts.append(json_provider.encode(presentation.public_image(image, buckets)))
        head.append((tag, len(parts[-1])))
    return Response([json_provider.encode(head), *parts], mimetype="application/x-ndjson")


@routes.get("/images")
def find_images() -> Response:
    """List the caller's images, or those that the query describes."""
    principal, asked = caller(), searches.requested(request)
    scope = f"images/{principal.user_id}" + (f"/{asked.digest}" if asked.query else "")
    listing = Listing("/api/images", scope, paging.by_moment(paging.is_uuid), asked.query)
    page = paging.requested(request, listing)
    found, end = app().database.read(
        use_cases.find_images,
        principal,
        asked.search,
        asked.collection,
        limit=page.limit + 1,
        max_bytes=app().page_bytes,
        after=page.after,
    )
    filled = paging.fill(found, page.limit, app().page_bytes, _place_of, lambda image: _private(image, principal))
    answer = filled.enclosed()
    paging.link_next(answer, listing, page, filled.following or end)
    return answer


@routes.get("/stats")
def get_stats() -> Response:
    """Show how many images the caller has, by status and by format."""
    document = presentation.stats(app().database.read(use_cases.stats, caller()))
    return etags.unless_known(request, etags.of(document), lambda: jsonify(document))


@routes.post("/images")
def register_image() -> Response:
    """Register an image."""
    principal = caller()
    body = bodies.read(request, schemas.NewImage)
    bucket = app().buckets.choose(body.chosen_bucket)

    def register(store: Store) -> Response:
        image = use_cases.register_image(
            store,
            principal,
            app().buckets,
            s3_bucket=bucket,
            s3_key=body.s3_key,
            title=body.title,
            description=body.description,
            limits=app().limits,
        )
        return created(_private(image, principal))

    return once(app().database, app().kept, register)


@routes.get("/image")
def get_image() -> Response:
    """Show one image of the caller."""
    principal = caller()
    return show(app().database.read(use_cases.own_image, principal, named_key()), principal)


@routes.put("/image")
def change_image() -> Response:
    """Change an image, or reprocess it."""
    principal = caller()
    body = bodies.read(request, schemas.ImageChange)
    image = app().database.transact(
        use_cases.change_image,
        principal,
        named_key(),
        lambda image: _require_match(image, principal),
        title=body.given("title"),
        description=body.given("description"),
        reprocess=body.reprocess,
    )
    return show(image, principal)


@routes.delete("/image")
def delete_image() -> Response:
    """Delete an image; the original stays."""
    principal, key = caller(), named_key()
    with audit.recording("image.delete", actor(), s3_key=key) as target:
        image, collections = app().database.transact(
            use_cases.delete_image, principal, key, lambda image: _require_match(image, principal)
        )
        target |= {"image": image.image_id, "s3_bucket": image.s3_bucket, "collections": collections}
    return Response(status=204)


def show(image: Image, principal: Principal) -> Response:
    """Return `image` in its private form, or 304."""
    return etags.unless_known(request, tag_of(image, principal), lambda: jsonify(_private(image, principal)))


def tag_of(image: Image, principal: Principal) -> str:
    """Return the entity tag of `image` in its private form."""
    return tags.private_image(image.version, app().buckets, principal.username)


def _place_of(image: Image) -> Moment:
    return image.date_created, image.image_id


def _private(image: Image, principal: Principal) -> dict[str, Any]:
    return presentation.private_image(image, app().buckets, principal.username)


def _require_match(image: Image, principal: Principal) -> None:
    etags.require_match(request, tag_of(image, principal))
