"""The views of collections and membership: parse, call, present."""

from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, jsonify, request

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.domain import Collection, Image
from catalog.web import images, presentation, schemas
from catalog.web.context import app, caller, named_collection, named_key
from chassis.web import bodies, etags, paging
from chassis.web.paging import Listing, Page

routes = Blueprint("collections", __name__)

FIRST_PAGE: Page[int] = Page(paging.MAX_LIMIT, None)
Present = Callable[[Image], dict[str, Any]]


@routes.get("/public/collection")
def get_public_collection() -> Response:
    """Show a collection to anybody, with a page of its images."""
    name = named_collection()
    listing = _members_at(f"/api/c/{name}", name)
    page = paging.requested(request, listing)

    def fetch(store: Store) -> tuple[Collection, list[dict[str, Any]], int | None]:
        collection = use_cases.public_collection(store, name)
        return collection, *_members(
            store, collection, page, lambda image: presentation.public_image(image, app().buckets)
        )

    collection, shown, following = app().database.read(fetch)
    document = presentation.public_collection(collection, shown)
    return _paged(document, listing, page, following)


@routes.get("/collections")
def list_collections() -> Response:
    """List the caller's collections."""
    principal = caller()
    return paging.newest_first(
        Listing("/api/collections", f"collections/{principal.user_id}", paging.by_moment(paging.is_uuid)),
        lambda limit, after: app().database.read(use_cases.list_collections, principal, limit, after),
        lambda collection: (collection.date_created, collection.collection_id),
        lambda collection: presentation.private_collection(collection, principal.username),
    )


@routes.post("/collections")
def create_collection() -> Response:
    """Make a collection."""
    principal = caller()
    body = bodies.read(request, schemas.NewCollection)
    collection = app().database.transact(use_cases.create_collection, principal, body.name)
    document = presentation.private_collection(collection, principal.username)
    answer = jsonify({**document, "images": []})
    answer.status_code = 201
    answer.location = document["uri"]
    return answer


@routes.get("/collection")
def get_collection() -> Response:
    """Show one collection of the caller, with a page of its images."""
    principal, name = caller(), named_collection()
    listing = _members_at(presentation.collection_uri(name), name)
    page = paging.requested(request, listing)

    def fetch(store: Store) -> tuple[dict[str, Any], int | None]:
        collection = use_cases.own_collection(store, principal, name)
        return _private(store, collection, principal.username, page)

    document, following = app().database.read(fetch)
    return _paged(document, listing, page, following)


@routes.delete("/collection")
def delete_collection() -> Response:
    """Delete a collection; its images stay."""
    principal, name = caller(), named_collection()

    def require_match(store: Store, collection: Collection) -> None:
        if "If-Match" in request.headers:
            document, _ = _private(store, collection, principal.username, FIRST_PAGE)
            etags.require_match(request, etags.of(document))

    app().database.transact(use_cases.delete_collection, principal, name, require_match)
    return Response(status=204)


@routes.get("/collection/images")
def list_members() -> Response:
    """List the images of one collection of the caller."""
    principal, name = caller(), named_collection()
    listing = _members_at(f"{presentation.collection_uri(name)}/images", name)
    page = paging.requested(request, listing)

    def fetch(store: Store) -> tuple[list[dict[str, Any]], int | None]:
        collection = use_cases.own_collection(store, principal, name)
        return _members(store, collection, page, _private_image(principal.username))

    shown, following = app().database.read(fetch)
    answer = jsonify(shown)
    paging.link_next(answer, listing, page, following)
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
    image = app().database.transact(use_cases.add_member, principal, named_collection(), named_key())
    return images.show(image, principal)


@routes.delete("/collection/image")
def remove_member() -> Response:
    """Take an image out of a collection."""
    principal = caller()
    app().database.transact(use_cases.remove_member, principal, named_collection(), named_key())
    return Response(status=204)


def _members_at(path: str, name: str) -> Listing[int]:
    return Listing(path, f"members/{name}", paging.BY_SERIAL)


def _members(
    store: Store, collection: Collection, page: Page[int], present: Present
) -> tuple[list[dict[str, Any]], int | None]:
    members = use_cases.list_members(store, collection, page.limit + 1, page.after or 0)
    shown, following = paging.cut(members, page.limit, lambda member: member[0])
    return [present(image) for _, image in shown], following


def _private_image(username: str) -> Present:
    return lambda image: presentation.private_image(image, app().buckets, username)


def _private(store: Store, collection: Collection, username: str, page: Page[int]) -> tuple[dict[str, Any], int | None]:
    shown, following = _members(store, collection, page, _private_image(username))
    return {**presentation.private_collection(collection, username), "images": shown}, following


def _paged(document: dict[str, Any], listing: Listing[int], page: Page[int], following: int | None) -> Response:
    answer = jsonify(document)
    paging.link_next(answer, listing, page, following)
    return etags.conditional(request, answer, etags.of(document))
