"""Display pictures: which originals get one, to be shown instead of them."""

import io

from PIL import Image

from imaging.domain import DisplayPictures
from imaging.pipeline.opening import Opened

_NOT_SHOWN_BY_BROWSERS = {"image/heic", "image/tiff"}


def is_wanted(opened: Opened, display: DisplayPictures) -> bool:
    """Return whether `opened` gets a display picture."""
    if display == "none":
        return False
    if opened.content_type in _NOT_SHOWN_BY_BROWSERS or opened.is_lossless_jpeg:
        return True
    return display == "all" and not _moves(opened)


def _moves(opened: Opened) -> bool:
    """Return whether `opened` is an animation, of which a display picture would be one still frame."""
    try:
        # Opened again: a GIF is read up to its second frame for this, and its first one is still to be decoded.
        with Image.open(io.BytesIO(opened.data), formats=(opened.image.format or "",)) as again:
            return bool(getattr(again, "is_animated", False))
    except Exception:  # noqa: BLE001 - decoders raise anything; what is broken behind the first frame does not matter
        return False
