"""The views of collections and membership: parse, call, present."""

from flask import Blueprint, Response, request

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.domain import Collection
from catalog.web import images, members, presentation, schemas, tags
from catalog.web.context import app, created, named_collection, named_key
from catalog.web.members import Form
from chassis import audit
from chassis.tokens import Principal
from chassis.web import bodies, etags, paging
from chassis.web.access import actor, caller
from chassis.web.idempotency import once
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
        form = Form(presentation.public_collection(collection), members.public_image, "public")
        return members.show(store, collection, form, listing, page)

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

    return once(app().database, app().kept, create)


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
        membership = _membership(store, collection)
        present = members.private_image(principal.username)
        form = Form(document, present, f"private {principal.username}", f"{membership}-")
        return members.show(store, collection, form, listing, page)

    return app().database.read(show)


@routes.delete("/collection")
def delete_collection() -> Response:
    """Delete a collection; its images stay."""
    principal, name = caller(), named_collection()

    def require_match(store: Store, collection: Collection) -> None:
        if "If-Match" in request.headers:
            etags.require_match_of_part(request, _membership(store, collection))

    with audit.recording("collection.delete", actor(), collection=name) as target:
        target["images"] = app().database.transact(use_cases.delete_collection, principal, name, require_match)
    return Response(status=204)


@routes.get("/collection/images")
def list_members() -> Response:
    """List the images of one collection of the caller."""
    principal, name = caller(), named_collection()
    listing = members.listing_at(f"{presentation.collection_uri(name)}/images", name)
    page = paging.requested(request, listing)

    def fetch(store: Store) -> Filled[int]:
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
def add_member() -> Response:
    """Put an image into a collection; doing it again changes nothing."""
    principal = caller()
    bodies.read(request, schemas.Nothing)
    image = app().database.transact(
        use_cases.add_member, principal, named_collection(), named_key(), _require_match(principal)
    )
    return images.show(image, principal)


@routes.delete("/collection/image")
def remove_member() -> Response:
    """Take an image out of a collection."""
    principal, name, key = caller(), named_collection(), named_key()
    was_member = app().database.transact(use_cases.remove_member, principal, name, key, _require_match(principal))
    if was_member:
        audit.done("membership.delete", actor(), collection=name, s3_key=key)
    return Response(status=204)


def _membership(store: Store, collection: Collection) -> str:
    return tags.membership(collection, *use_cases.membership(store, collection))


def _require_match(principal: Principal) -> use_cases.MemberCheck:
    """Return the check of `If-Match` for a member: its tag is that of the image; what is no member has none."""
    return lambda image: etags.require_match(request, images.tag_of(image, principal) if image else None)
