"""S3 keys: which ones may name an image, and where the thumbs of an image lie."""

import re

from catalog.errors import UnacceptableKeyError

MAX_KEY_BYTES = 1000
_THUMB_FOLDER = re.compile(r"t[0-9]+")
_THUMB_KEY = re.compile(r"(?P<folder>(?:.*/)?)t(?P<square>[1-9][0-9]{0,4})/(?P<name>[^/]+)", re.DOTALL)
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def check_key(key: str) -> None:
    """Raise `UnacceptableKeyError`, which says why, unless `key` may name an image."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        raise UnacceptableKeyError("Must be Unicode text") from None
    segments = key.split("/")
    reason = None
    if not 1 <= size <= MAX_KEY_BYTES:
        reason = f"Must have 1 to {MAX_KEY_BYTES} bytes of UTF-8"
    elif _CONTROL.search(key):
        reason = "Must not contain control characters"
    elif any(segment in {"", ".", ".."} for segment in segments):
        reason = "Must not begin or end with a slash or have an empty, . or .. segment"
    elif len(segments) > 1 and _THUMB_FOLDER.fullmatch(segments[-2]):
        reason = "Must not have the shape of a thumb's key, …/t512/…"
    if reason is not None:
        raise UnacceptableKeyError(reason)


def without_control_characters(text: str) -> str:
    """Return `text` with an underscore in place of each control character, which no key may have."""
    return _CONTROL.sub("_", text)


def is_acceptable_key(key: str) -> bool:
    """Return whether `key` may name an image at all."""
    try:
        check_key(key)
    except UnacceptableKeyError:
        return False
    return True


def thumb_key(s3_key: str, square: int) -> str:
    """Return the key of the thumb of `s3_key` for `square`: `dir/name` has its thumb at `dir/t512/name`."""
    folder, slash, name = s3_key.rpartition("/")
    return f"{folder}{slash}t{square}/{name}"


def thumb_of(key: str) -> tuple[str, int] | None:
    """Return the image's key and the square whose thumb lies at `key`; None if no image can have a thumb there."""
    shape = _THUMB_KEY.fullmatch(key)
    if shape is None:
        return None
    s3_key = shape["folder"] + shape["name"]
    return (s3_key, int(shape["square"])) if is_acceptable_key(s3_key) else None
