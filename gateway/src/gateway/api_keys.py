"""API keys in paths and logs: only the id is ever shown or passed on, never the secret."""

import hashlib
import re
from urllib.parse import quote, unquote

_KEY = re.compile(r"imgh_(?P<id>[a-z2-7]{16})_[A-Za-z0-9]+")
# The part of a key that is secret, for logs, wherever it may have slipped in.
SECRET = re.compile(r"(?<=imgh_[a-z2-7]{16}_)[A-Za-z0-9]+")


def name(text: str) -> dict[str, str]:
    """Name an API key to auth: by id, and where TEXT is a whole key by its digest too, which reveals nothing."""
    match = _KEY.fullmatch(text)
    if match is None:
        return {"id": text}
    return {"id": match["id"], "digest": hashlib.sha256(text.encode()).hexdigest()}


def hide(path: str) -> str:
    """Replace every whole key in PATH by its id, also where it is percent-encoded, wholly or in part."""
    decoded = unquote(path)
    return quote(_KEY.sub(lambda match: match["id"], decoded)) if _KEY.search(decoded) else path
