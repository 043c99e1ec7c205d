"""The placeholder: a ThumbHash (Evan Wallace), some 25 bytes that a page shows until the thumb is there."""

import base64

from PIL import Image
from thash import rgba_to_thumb_hash

_SQUARE = 32  # ThumbHash takes 100, but keeps seven waves a side at most, of which so many pixels tell as much


def placeholder(image: Image.Image) -> str:
    """Give the ThumbHash of IMAGE (RGB or RGBA, small) in base64."""
    small = image.convert("RGBA")
    small.thumbnail((_SQUARE, _SQUARE), Image.Resampling.BOX)
    return base64.b64encode(bytes(rgba_to_thumb_hash(small.width, small.height, list(small.tobytes())))).decode()
