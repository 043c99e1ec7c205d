"""The pages of images and collections, and the feeds of collections."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from flask import Blueprint, Flask, Response, abort, request
from werkzeug.http import unquote_etag

from chassis import request_ids
from chassis.deadlines import Deadline
from chassis.web import etags, problems
from chassis.web.observation import SOURCE_HEADER
from gateway import paths, prefixes
from gateway.services import Answer, Services
from gateway.settings import GatewaySettings
from gateway.single_images import TOGETHER, SingleImages
from gateway.table import PAGE_FOLDERS, PAGES, Route
from gateway.web import query
from gateway.web.forwarding import relay
from gateway.web.pages import rendering, site
from gateway.web.pages.shown import Album, Picture
from gateway.web.static_answers import StaticAnswer

# How many images a page or a feed shows unless it is asked for another number.
_ITEMS = {"/public/collection": 60, "/public/collection/newest": 30}
_POLICY = "Content-Security-Policy"
_NOTHING_BESIDE = {"previous": None, "next": None}


def pages(services: Services, settings: GatewaySettings) -> Blueprint:
    """Return the routes of the pages, and of the files that they load."""
    routes = Blueprint("pages", __name__)
    presenter = Presenter(settings.public_url)
    presents: tuple[Callable[[Answer], Response], ...] = (
        presenter.image, presenter.collection, presenter.feed, presenter.member
    )  # fmt: skip
    for route, present in zip(PAGES, presents, strict=True):
        call = SingleImages(services, route.target).call if route.target in TOGETHER else services.call
        view = _view(route, call, settings, present)
        routes.add_url_rule(
            route.rule, endpoint=route.target.strip("/").replace("/", "-"), view_func=view, methods=route.methods,
            provide_automatic_options=False,
        )  # fmt: skip

    caching = {"Cache-Control": f"public, max-age={settings.public_max_age_s}"}
    assets = {
        name: StaticAnswer(rendering.asset(name), content_type, caching)
        for name, content_type in rendering.ASSETS.items()
    }

    @routes.get("/pages/<asset>", provide_automatic_options=False)
    def show_page_asset(asset: str) -> Response:
        return assets[asset].present() if asset in assets else abort(404)

    return routes


def install(app: Flask) -> None:
    """Have errors below the addresses of pages be pages, too, and a 304 say nothing of the policy of its page.

    To be called before what adds headers to every answer, so that it comes after that.
    """

    @app.after_request
    def present(answer: Response) -> Response:
        if not request.path.startswith(PAGE_FOLDERS):
            return answer
        if answer.status_code == HTTPStatus.NOT_MODIFIED:
            # Whoever has the page would put the policy of answers without pictures in place of its own.
            answer.headers.pop(_POLICY, None)
        elif answer.content_type == problems.CONTENT_TYPE:
            problem = answer.get_json(force=True)
            page = rendering.render("error.html", status=answer.status_code, problem=problem)
            answer.set_data(page.get_data())
            answer.content_type = page.content_type
            answer.headers[_POLICY] = page.headers[_POLICY]
        return answer


def _view(
    route: Route, call: Callable[..., Answer], settings: GatewaySettings, present: Callable[[Answer], Response]
) -> Callable[..., Response]:
    """Return the view that asks catalog for what `route` shows, unless the client has it, and presents the answer.

    The entity tag of a page is that of catalog's answer, and what the page depends on beside it.
    """

    def view(**raw: str) -> Response:
        parameters = [(name, paths.decode(value)) for name, value in raw.items()]
        parameters += query.read(route, request, None)
        if route.target in _ITEMS and "limit" not in request.args:
            parameters.append(("limit", str(_ITEMS[route.target])))
        ending = f"-{_state(settings.public_url)}"
        headers = {request_ids.HEADER: request_ids.current(), SOURCE_HEADER: request.remote_addr or ""}
        tags = request.if_none_match.as_set(include_weak=True)
        if known := [tag.removesuffix(ending) for tag in tags if tag and tag.endswith(ending)]:
            headers["If-None-Match"] = ", ".join(f'"{tag}"' for tag in known)
        deadline = Deadline.after(settings.deadline_s)
        answer = call(route.service, "GET", route.target, deadline, parameters=parameters, headers=headers)
        tag = f"{unquote_etag(answer.headers.get('etag'))[0]}{ending}"
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return etags.not_modified(tag)
        return etags.conditional(request, present(answer), tag) if answer.status == HTTPStatus.OK else relay(answer)

    return view


def _state(public_url: str | None) -> str:
    parts = f"{rendering.VERSION} {public_url} {prefixes.current()}"
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Presenter:
    """Makes pages of catalog's answers. Without `public_url` they have no whole addresses, and there are no feeds."""

    public_url: str | None

    def image(self, answer: Answer) -> Response:
        """Return the page of an image."""
        document = answer.document()
        return self._image_page(Picture(document, site.image_path(document["s3_key"])))

    def member(self, answer: Answer) -> Response:
        """Return the page of an image in a collection, with the ways to those beside it."""
        document = answer.document()
        album = Album(document["collection"])
        return self._image_page(
            Picture(document["image"], site.image_path(document["image"]["s3_key"])),
            album=album,
            beside={
                name: site.here(site.member_path(album.name, document[name])) if document[name] is not None else None
                for name in ("previous", "next")
            },
        )

    def _image_page(
        self, picture: Picture, album: Album | None = None, beside: Mapping[str, str | None] = _NOTHING_BESIDE
    ) -> Response:
        return rendering.render(
            "image.html",
            pictures=picture.addresses,
            public_url=self.public_url,
            picture=picture,
            path=picture.path,
            album=album,
            album_path=site.here(site.collection_path(album.name)) if album else None,
            beside=beside,
        )

    def collection(self, answer: Answer) -> Response:
        """Return the page of a collection."""
        album = _album(answer)
        path = site.collection_path(album.name)
        return rendering.render(
            "collection.html",
            pictures=[address for picture in album.pictures for address in picture.addresses],
            public_url=self.public_url,
            album=album,
            path=path,
            feed_path=site.feed_path(album.name),
            is_first="cursor" not in request.args,
            following=_following(answer, path),
        )

    def feed(self, answer: Answer) -> Response:
        """Return the feed of a collection, newest first. Without an address of this installation there is none."""
        if self.public_url is None:
            abort(404)
        album = _album(answer)
        path = site.feed_path(album.name)
        return rendering.render(
            "feed.xml",
            rendering.ATOM,
            public_url=self.public_url,
            album=album,
            path=site.collection_path(album.name),
            feed_path=path,
            own_path=path + (f"?{request.query_string.decode('latin-1')}" if "cursor" in request.args else ""),
            following=_following(answer, path),
        )


def _album(answer: Answer) -> Album:
    document = answer.document()
    name = document["name"]
    return Album(document, [Picture(image, site.member_path(name, image["s3_key"])) for image in document["images"]])


def _following(answer: Answer, path: str) -> str | None:
    """Return the path of the next page of `path`, as catalog links to its own."""
    link = answer.headers.get("link")
    return f"{path}?{link.partition('?')[2].partition('>')[0]}" if link else None
