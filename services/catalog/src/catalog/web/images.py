"""The views of images: parse, call, present."""

from collections.abc import Callable
from functools import partial
from typing import Any

from flask import Blueprint, Response, jsonify, request

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.domain import Image
from catalog.keys import is_acceptable_key
from catalog.web import presentation, schemas, searches, tags
from catalog.web.access import READ
from catalog.web.context import Make, Match, app, created, make_once, match_of_request, named_key
from chassis import audit, request_ids
from chassis.tokens import Principal
from chassis.web import bodies, etags, json_provider, paging
from chassis.web.access import actor, admitted, caller
from chassis.web.idempotency import is_repeat
from chassis.web.paging import Filled, Listing, Moment
from chassis.web.problems import FieldFault, InvalidFieldsError

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
    together = _Together()
    for s3_key, known in zip(asked.s3_keys, asked.tags, strict=True):
        image = found.get(s3_key)
        if image is None:
            together.leave_out()
        else:
            tag = tags.public_image(image.version, buckets)
            together.show(tag, known, partial(presentation.public_image, image, buckets))
    return together.answer()


@routes.post("/own-images")
def get_own_images() -> Response:
    """Show images to several callers, each to its owner as alone.

    The body is as that of several public images. The entry is null, too, for a caller who may not read.
    """
    asked = bodies.read(request, schemas.OwnImages)
    request_ids.note_several(asked.requests)
    callers = [admitted(authorization, READ) for authorization in asked.authorizations]
    pairs = list(zip(callers, asked.s3_keys, strict=True))
    found = app().database.read(
        use_cases.own_images, [(who, key) for who, key in pairs if who is not None and is_acceptable_key(key)]
    )
    together = _Together()
    for (who, s3_key), known in zip(pairs, asked.tags, strict=True):
        image = found.get((who, s3_key)) if who is not None else None
        if who is None or image is None:
            together.leave_out()
        else:
            together.show(tag_of(image, who), known, partial(_private, image, who))
    return together.answer()


class _Together:
    """The answer that shows several images."""

    def __init__(self) -> None:
        self._head: list[tuple[str, int | None] | None] = []
        self._parts: list[bytes] = []

    def leave_out(self) -> None:
        """Add an entry for what has to be asked for alone."""
        self._head.append(None)

    def show(self, tag: str, known: str | None, document: Callable[[], dict[str, Any]]) -> None:
        """Add what `document` returns, whose entity tag is `tag`, or nothing but that if the client has `known` it."""
        size = None
        if tag != known:
            self._parts.append(json_provider.encode(document()))
            size = len(self._parts[-1])
        self._head.append((tag, size))

    def answer(self) -> Response:
        """Return what has been added."""
        return Response([json_provider.encode(self._head), *self._parts], mimetype="application/x-ndjson")


@routes.get("/images")
def find_images() -> Response:
    """List the caller's images, or those that the query describes."""
    principal, asked = caller(), searches.requested(request)
    scope = f"images/{principal.user_id}" + (f"/{asked.digest}" if asked.query else "")
    listing = Listing("/api/images", scope, paging.by_moment(paging.is_uuid), asked.query)
    page = paging.requested(request, listing)

    def fetch(store: Store) -> tuple[Filled[Moment], Moment | None]:
        found, end = use_cases.find_images(
            store,
            principal,
            asked.search,
            asked.collection,
            limit=page.limit + 1,
            max_bytes=app().page_bytes,
            after=page.after,
        )
        present = partial(_private, principal=principal)
        return paging.fill(found, page.limit, app().page_bytes, _place_of, present), end

    filled, end = app().database.read(fetch)
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
    return register(bodies.read(request, schemas.NewImage), make_once)


def register(body: schemas.NewImage, make: Make) -> Response:
    """Register the image that `body` describes."""
    principal = caller()
    bucket = app().buckets.choose(body.chosen_bucket)

    def work(store: Store) -> Response:
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

    return make(work)


@routes.get("/image")
def get_image() -> Response:
    """Show one image of the caller."""
    principal = caller()
    return show(app().database.read(use_cases.own_image, principal, named_key()), principal)


@routes.put("/image")
def change_image() -> Response:
    """Change an image, or reprocess it."""
    return change(named_key(), bodies.read(request, schemas.ImageChange), match_of_request, app().database.transact)


def change(s3_key: str, body: schemas.ImageChange, require_match: Match, make: Make) -> Response:
    """Change the caller's image as `body` says."""
    principal = caller()

    def work(store: Store) -> Response:
        image = use_cases.change_image(
            store,
            principal,
            s3_key,
            lambda image: require_match(tag_of(image, principal)),
            title=body.given("title"),
            description=body.given("description"),
            reprocess=body.reprocess,
        )
        return show(image, principal)

    return make(work)


@routes.delete("/image")
def delete_image() -> Response:
    """Delete an image; the original stays, unless it is to go too."""
    s3_key = named_key()
    return delete(s3_key, match_of_request, app().database.transact, takes_original=_takes_original())


def delete(s3_key: str, require_match: Match, make: Make, *, takes_original: bool) -> Response:
    """Delete the caller's image, and tell the audit log so, unless that was done by an earlier request."""
    principal = caller()
    with audit.recording("image.delete", actor(), s3_key=s3_key) as target:

        def work(store: Store) -> Response:
            image, collections = use_cases.delete_image(
                store,
                principal,
                s3_key,
                lambda image: require_match(tag_of(image, principal)),
                takes_original=takes_original,
            )
            target.update(image=image.image_id, s3_bucket=image.s3_bucket, collections=collections)
            if takes_original:
                target["original"] = True
            return Response(status=204)

        answer = make(work)
        if is_repeat(answer):
            target.clear()
    return answer


def _takes_original() -> bool:
    """Read `original` of the query. Raise `InvalidFieldsError`."""
    given = request.args.getlist("original")
    if given not in ([], ["true"]):
        detail = "Must be true, once, or left out."
        raise InvalidFieldsError([FieldFault(parameter="original", code="not-true", detail=detail)])
    return bool(given)


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
