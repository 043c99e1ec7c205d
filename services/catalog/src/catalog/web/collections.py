"""The views of collections and membership: parse, call, present."""

from flask import Blueprint, Response, jsonify, request

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.domain import Collection
from catalog.places import Place
from catalog.web import images, members, presentation, schemas, tags
from catalog.web.context import (
    Make,
    Match,
    app,
    created,
    make_once,
    match_of_request,
    named_collection,
    named_key,
)
from catalog.web.members import Form
from chassis import audit
from chassis.web import bodies, etags, paging
from chassis.web.access import actor, caller
from chassis.web.idempotency import is_repeat
from chassis.web.paging import Filled, Listing

routes = Blueprint("collections", __name__)


@routes.get("/public/collection")
def get_public_collection() -> Response:
    """Show a collection to anybody, with a page of its images."""
    name = named_collection()
    listing = members.listing_at(f"/api/c/{name}", name)
    page = paging.requested(request, listing)

    def show(store: Store) -> Response:
        collection = use_cases.public_collection(store, name)
        form = Form(presentation.public_collection(collection), members.public_image, "public", hides=True)
        return members.show(store, collection, form, listing, page)

    return app().database.read(show)


@routes.get("/public/collection/image")
def get_public_member() -> Response:
    """Show an image of a collection to anybody, with the keys of those beside it."""

    def show(store: Store) -> Response:
        collection = use_cases.public_collection(store, named_collection())
        member = use_cases.public_member(store, collection, named_key())
        document = presentation.public_member(collection, member, app().buckets)
        return etags.unless_known(request, etags.of(document), lambda: jsonify(document))

    return app().database.read(show)


@routes.get("/public/collection/newest")
def get_newest_members() -> Response:
    """Show a collection to anybody, with a page of its images from the last one back, and when these were changed."""
    name = named_collection()
    listing = Listing(f"/c/{name}.atom", f"newest/{name}", paging.BY_PLACE)
    page = paging.requested(request, listing)

    def show(store: Store) -> Response:
        collection = use_cases.public_collection(store, name)
        document = {**presentation.public_collection(collection), "date_created": collection.date_created.isoformat()}
        return members.show_newest(store, collection, document, listing, page)

    return app().database.read(show)


@routes.get("/collections")
def list_collections() -> Response:
    """List the caller's collections."""
    principal = caller()
    return paging.newest_first(
        Listing("/api/collections", f"collections/{principal.user_id}", paging.by_moment(paging.is_uuid)),
        lambda limit, after: app().database.read(use_cases.list_collections, principal, limit, after),
        lambda collection: (collection.date_created, collection.collection_id),
        lambda collection: presentation.private_collection(collection, principal.username),
        app().page_bytes,
    )


@routes.post("/collections")
def create_collection() -> Response:
    """Make a collection."""
    principal = caller()
    body = bodies.read(request, schemas.NewCollection)

    def create(store: Store) -> Response:
        collection = use_cases.create_collection(store, principal, body.name, app().limits)
        return created({**presentation.private_collection(collection, principal.username), "images": []})

    return make_once(create)


@routes.get("/collection")
def get_collection() -> Response:
    """Show one collection of the caller, with a page of its images."""
    principal, name = caller(), named_collection()
    listing = members.listing_at(presentation.collection_uri(name), name)
    page = paging.requested(request, listing)

    def show(store: Store) -> Response:
        collection = use_cases.own_collection(store, principal, name)
        document = presentation.private_collection(collection, principal.username)
        # Before the page, so that a member which is added between makes the tag stale, and not the page.
        state = _state(store, collection)
        present = members.private_image(principal.username)
        form = Form(document, present, f"private {principal.username}", f"{state}-")
        return members.show(store, collection, form, listing, page)

    return app().database.read(show)


@routes.put("/collection")
def change_collection() -> Response:
    """Rename a collection, or change its title, description or cover."""
    principal = caller()
    body = bodies.read(request, schemas.CollectionChange)
    collection = app().database.transact(
        use_cases.change_collection,
        principal,
        named_collection(),
        _require_state,
        new_name=body.given("name"),
        title=body.given("title"),
        description=body.given("description"),
        cover=body.chosen_cover,
    )
    return jsonify(presentation.private_collection(collection, principal.username))


@routes.delete("/collection")
def delete_collection() -> Response:
    """Delete a collection; its images stay."""
    principal, name = caller(), named_collection()
    with audit.recording("collection.delete", actor(), collection=name) as target:
        target["images"] = app().database.transact(use_cases.delete_collection, principal, name, _require_state)
    return Response(status=204)


@routes.get("/collection/images")
def list_members() -> Response:
    """List the images of one collection of the caller."""
    principal, name = caller(), named_collection()
    listing = members.listing_at(f"{presentation.collection_uri(name)}/images", name)
    page = paging.requested(request, listing)

    def fetch(store: Store) -> Filled[Place]:
        collection = use_cases.own_collection(store, principal, name)
        return members.fill(store, collection, members.private_image(principal.username), page)

    filled = app().database.read(fetch)
    answer = filled.enclosed()
    paging.link_next(answer, listing, page, filled.following)
    return answer


@routes.get("/collection/image")
def get_member() -> Response:
    """Show an image if it belongs to the collection."""
    principal = caller()
    image = app().database.read(use_cases.get_member, principal, named_collection(), named_key())
    return images.show(image, principal)


@routes.put("/collection/image")
def put_member() -> Response:
    """Put an image into a collection, or move it there; doing it again changes nothing."""
    body = bodies.read(request, schemas.Membership)
    return put(named_collection(), named_key(), body, match_of_request, app().database.transact)


def put(name: str, s3_key: str, body: schemas.Membership, require_match: Match, make: Make) -> Response:
    """Put the caller's image into the caller's collection, where `body` says."""
    principal, check = caller(), _member_check(require_match)

    def work(store: Store) -> Response:
        image = use_cases.put_member(store, principal, name, s3_key, check, behind=body.chosen_place)
        return images.show(image, principal)

    return make(work)


@routes.delete("/collection/image")
def remove_member() -> Response:
    """Take an image out of a collection."""
    return remove(named_collection(), named_key(), match_of_request, app().database.transact)


def remove(name: str, s3_key: str, require_match: Match, make: Make) -> Response:
    """Take the caller's image out of the caller's collection, and tell the audit log so if it was in it."""
    principal, check = caller(), _member_check(require_match)
    removed: list[bool] = []

    def work(store: Store) -> Response:
        removed[:] = [use_cases.remove_member(store, principal, name, s3_key, check)]
        return Response(status=204)

    answer = make(work)
    if any(removed) and not is_repeat(answer):
        audit.done("membership.delete", actor(), collection=name, s3_key=s3_key)
    return answer


def _state(store: Store, collection: Collection) -> str:
    return tags.collection(collection, use_cases.count_members(store, collection))


def _require_state(store: Store, collection: Collection) -> None:
    """Check `If-Match` for a collection: the tag of any page will do."""
    if "If-Match" in request.headers:
        etags.require_match_of_part(request, _state(store, collection))


def _member_check(require_match: Match) -> use_cases.MemberCheck:
    """Return the check of the tag of a member: that is the tag of the image; what is no member has none."""
    principal = caller()
    return lambda image: require_match(images.tag_of(image, principal) if image else None)
