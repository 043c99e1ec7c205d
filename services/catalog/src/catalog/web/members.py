"""Pages of the members of a collection: shown, or answered with 304 without loading what they show."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from flask import Response, request

from catalog import use_cases
from catalog.adapters.store import Store
from catalog.domain import Collection, Image, ImageVersion
from catalog.places import START, Place
from catalog.web import presentation
from catalog.web.context import app
from catalog.web.tags import PageDigest
from chassis.web import etags, paging
from chassis.web.paging import Filled, Listing, Page

Present = Callable[[Image], dict[str, Any]]


@dataclass(frozen=True)
class Form:
    """A form of a collection: its `document` without the images, how an image looks, and whom it is for.

    Entity tags differ with `reader`, and begin with `tag_begin`. With `hides` images are left out that are taken down.
    """

    document: dict[str, Any]
    present: Present
    reader: str
    tag_begin: str = ""
    hides: bool = False


def public_image(image: Image) -> dict[str, Any]:
    """Return the public form of `image`."""
    return presentation.public_image(image, app().buckets)


def private_image(username: str) -> Present:
    """Return what makes the private form of an image of the user `username`."""
    return lambda image: presentation.private_image(image, app().buckets, username)


def listing_at(path: str, name: str) -> Listing[Place]:
    """Return the list of the members of the collection `name`, as it is found at `path` of the gateway."""
    return Listing(path, f"members/{name}", paging.BY_PLACE)


def fill(store: Store, collection: Collection, present: Present, page: Page[Place]) -> Filled[Place]:
    """Return what `page` shows of the members of `collection`."""
    return _fill(_load(store, collection, page), present, page, app().page_bytes)


def show(store: Store, collection: Collection, form: Form, listing: Listing[Place], page: Page[Place]) -> Response:
    """Return `page` of `collection` in `form`, or 304."""
    answer, following = _known(store, collection, form, page) or _whole(store, collection, form, page)
    paging.link_next(answer, listing, page, following)
    return answer


def show_newest(
    store: Store, collection: Collection, document: dict[str, Any], listing: Listing[Place], page: Page[Place]
) -> Response:
    """Return `page` of `collection`, counted from its end, as `document` with the images, or 304."""
    head, tail = _around_images(document)
    max_bytes = app().page_bytes - len(head) - len(tail)
    members = use_cases.newest_members(store, collection, page.limit + 1, app().page_bytes, page.after)
    filled = _fill(members, lambda image: presentation.dated_image(image, app().buckets), page, max_bytes)
    answer = filled.enclosed(head, tail)
    paging.link_next(answer, listing, page, filled.following)
    tag = etags.of_parts(answer.get_data(as_text=True), answer.headers.get("Link"))
    return etags.conditional(request, answer, tag)


def _known(store: Store, collection: Collection, form: Form, page: Page[Place]) -> tuple[Response, Place | None] | None:
    """Return 304 and where the next page begins, if the client has this page, else None.

    Only the versions of the members are loaded, and not their sizes, which decide where a new page would end. A page
    that ends elsewhere is as good, since its link leads to the rest.
    """
    if not request.if_none_match or request.if_none_match.star_tag:
        return None
    members = use_cases.member_versions(store, collection, page.limit + 1, page.after or START, hides=form.hides)
    digest = _begin(collection, form, page)
    for number, (place, version) in enumerate(members[: page.limit], 1):
        digest.add(place, version, app().buckets)
        following = place if number < len(members) else None
        tag = form.tag_begin + digest.tag(following and page.limit)
        if etags.is_known(request, tag):
            return etags.not_modified(tag), following
    return None


def _whole(store: Store, collection: Collection, form: Form, page: Page[Place]) -> tuple[Response, Place | None]:
    """Return the answer with the page, and where the next page begins."""
    head, tail = _around_images(form.document)
    loaded = list[tuple[Place, ImageVersion]]()

    def members() -> Iterator[tuple[Place, Image]]:
        for place, image in _load(store, collection, page, hides=form.hides):
            loaded.append((place, image.version))
            yield place, image

    filled = _fill(members(), form.present, page, app().page_bytes - len(head) - len(tail))
    digest = _begin(collection, form, page)
    for place, version in loaded[: filled.count]:
        digest.add(place, version, app().buckets)
    tag = form.tag_begin + digest.tag(filled.following and page.limit)
    return etags.conditional(request, filled.enclosed(head, tail), tag), filled.following


def _around_images(document: dict[str, Any]) -> tuple[bytes, bytes]:
    """Return what is before and behind the array of images in the JSON of a collection."""
    return paging.to_json(document).removesuffix(b"}") + b',"images":', b"}"


def _begin(collection: Collection, form: Form, page: Page[Place]) -> PageDigest:
    return PageDigest(form.reader, collection.collection_id, etags.of(form.document), *(page.after or ()))


def _load(
    store: Store, collection: Collection, page: Page[Place], *, hides: bool = False
) -> Iterator[tuple[Place, Image]]:
    return use_cases.list_members(store, collection, page.limit + 1, app().page_bytes, page.after or START, hides=hides)


def _fill(members: Iterable[tuple[Place, Image]], present: Present, page: Page[Place], max_bytes: int) -> Filled[Place]:
    return paging.fill(members, page.limit, max_bytes, lambda member: member[0], lambda member: present(member[1]))
