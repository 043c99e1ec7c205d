"""Display pictures: which originals get one, to be shown instead of them."""

import io

from PIL import Image

from imaging.domain import DisplayPictures
from imaging.pipeline.decoding import orientation_of
from imaging.pipeline.opening import Opened

_NOT_SHOWN = {"image/heic", "image/tiff"}


def is_wanted(opened: Opened, display: DisplayPictures) -> bool:
    """Return whether `opened` gets a display picture."""
    if display == "none":
        return False
    return not _is_shown_by_browsers(opened) or (display == "all" and not _moves(opened))


def _is_shown_by_browsers(opened: Opened) -> bool:
    """Return whether browsers show `opened` as its thumbs do. Some turn no WebP, and crop no AVIF."""
    if opened.content_type in _NOT_SHOWN or opened.is_lossless_jpeg or opened.crop is not None:
        return False
    return opened.content_type != "image/webp" or orientation_of(opened.image) == 1


def _moves(opened: Opened) -> bool:
    """Return whether `opened` is an animation, of which a display picture would be one still frame."""
    try:
        # Opened again: a GIF is read up to its second frame for this, and its first one is still to be decoded.
        with Image.open(io.BytesIO(opened.data), formats=(opened.image.format or "",)) as again:
            return bool(getattr(again, "is_animated", False))
    except Exception:  # noqa: BLE001 - decoders raise anything; what is broken behind the first frame does not matter
        return False
