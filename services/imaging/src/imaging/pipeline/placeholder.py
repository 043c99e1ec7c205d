"""The placeholder: a ThumbHash (Evan Wallace), some 25 bytes that a page shows until the thumb is there."""

import base64

from PIL import Image
from thash import rgba_to_thumb_hash

_SQUARE = 100  # ThumbHash takes no larger pictures


def placeholder(image: Image.Image) -> str:
    """Give the ThumbHash of IMAGE (RGB or RGBA, small) in base64."""
    small = image.convert("RGBA")
    small.thumbnail((_SQUARE, _SQUARE))
    return base64.b64encode(bytes(rgba_to_thumb_hash(small.width, small.height, list(small.tobytes())))).decode()
