"""oEmbed (oembed.com): how other sites show a page of this installation, by its address alone. Nothing is fetched."""

import sys
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import NotFound

from chassis import request_ids
from chassis.deadlines import Deadline
from chassis.web import etags
from chassis.web.observation import SOURCE_HEADER
from chassis.web.problems import FieldFault, InvalidFieldsError
from gateway.errors import FormatNotOfferedError
from gateway.services import Answer, Services
from gateway.settings import GatewaySettings
from gateway.table import OEMBED
from gateway.web.forwarding import relay
from gateway.web.pages import site
from gateway.web.pages.shown import Album, Picture, Rendition
from gateway.web.public import preflight

_IMAGE, _COLLECTION = "/public/image", "/public/collection"


def oembed(services: Services, settings: GatewaySettings) -> Blueprint:
    """Return the route of oEmbed."""
    routes = Blueprint("oembed", __name__)

    def ask(target: str, *parameters: tuple[str, str]) -> Answer:
        headers = {request_ids.HEADER: request_ids.current(), SOURCE_HEADER: request.remote_addr or ""}
        deadline = Deadline.after(settings.deadline_s)
        return services.call("catalog", "GET", target, deadline, parameters=parameters, headers=headers)

    @routes.get(OEMBED.rule, provide_automatic_options=False)
    def show_oembed() -> Response:
        box = _requested()
        target = site.target_of(request.args["url"], settings.public_url) if settings.public_url else None
        if target is None:
            raise NotFound
        if target.s3_key is not None:
            answer = ask(_IMAGE, ("s3_key", target.s3_key))
        else:
            answer = ask(_COLLECTION, ("name", target.name or ""), ("limit", "1"))
        if answer.status != HTTPStatus.OK:
            return relay(answer)
        document = {
            "version": "1.0",
            "provider_name": "imghost",
            "provider_url": f"{settings.public_url}/",
            "cache_age": settings.public_max_age_s,
            **(_image(answer, *box) if target.s3_key is not None else _collection(answer, ask, *box)),
        }
        return etags.conditional(request, jsonify(document), etags.of(document))

    routes.add_url_rule(OEMBED.rule, "preflight", preflight, methods=["OPTIONS"])
    return routes


def _requested() -> tuple[int, int]:
    """Return the largest width and height that the request allows.

    Raise `InvalidFieldsError` for what makes no sense, `FormatNotOfferedError` for XML.
    """
    faults = [] if "url" in request.args else [FieldFault(parameter="url", code="missing", detail="Field required.")]
    box = []
    for name in ("maxwidth", "maxheight"):
        text = request.args.get(name, str(sys.maxsize))
        is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(sys.maxsize))
        number = int(text) if is_number else 0
        if not number:
            faults.append(FieldFault(parameter=name, code="out-of-range", detail="Must be a number from 1 on."))
        box.append(number)
    if faults:
        raise InvalidFieldsError(faults)
    if request.args.get("format", "json") != "json":
        raise FormatNotOfferedError
    return box[0], box[1]


def _image(answer: Answer, max_width: int, max_height: int) -> dict[str, Any]:
    picture = Picture(answer.document(), "")
    shown = _fitting(picture, max_width, max_height, whole=True)
    if shown is None:
        return {"type": "link", "title": picture.title}
    return {
        "type": "photo",
        "title": picture.title,
        "url": shown.url,
        "width": shown.width,
        "height": shown.height,
        **_thumbnail(picture, max_width, max_height),
    }


def _collection(answer: Answer, ask: Callable[..., Answer], max_width: int, max_height: int) -> dict[str, Any]:
    """Return a link with the cover, or the first image, as its picture."""
    document = answer.document()
    pictures = [Picture(image, "") for image in document["images"]]
    cover = document.get("cover")
    if cover is not None and cover not in {picture.s3_key for picture in pictures}:
        found = ask(_IMAGE, ("s3_key", cover))
        pictures += [Picture(found.document(), "")] if found.status == HTTPStatus.OK else []
    album = Album(document, pictures)
    shown = _thumbnail(album.cover, max_width, max_height) if album.cover else {}
    return {"type": "link", "title": album.title, **shown}


def _thumbnail(picture: Picture, max_width: int, max_height: int) -> dict[str, Any]:
    shown = _fitting(picture, max_width, max_height)
    if shown is None:
        return {}
    return {"thumbnail_url": shown.url, "thumbnail_width": shown.width, "thumbnail_height": shown.height}


def _fitting(picture: Picture, max_width: int, max_height: int, *, whole: bool = False) -> Rendition | None:
    """Return the largest thumb that fits, the smallest one scaled down if none does, None if there are none.

    The display picture counts as one if the picture is to be shown `whole`. Never the original, since it may be of any
    size, and of a format that browsers do not show.
    """
    if not picture.thumbs:
        return None
    offered = [*picture.thumbs, picture.display] if whole and picture.display else picture.thumbs
    fitting = [thumb for thumb in offered if thumb.width <= max_width and thumb.height <= max_height]
    return fitting[-1] if fitting else picture.thumbs[0].within(max_width, max_height)
