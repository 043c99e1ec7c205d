"""The placeholder: a ThumbHash (Evan Wallace), some 25 bytes that a page can show until the thumb has loaded."""

import base64

from PIL import Image
from thash import rgba_to_thumb_hash

_SQUARE = 32  # ThumbHash takes up to 100, but keeps at most seven frequencies a side, for which this is enough


def placeholder(image: Image.Image) -> str:
    """Return the ThumbHash of `image` (RGB or RGBA, small) in base64."""
    small = image.convert("RGBA")
    small.thumbnail((_SQUARE, _SQUARE), Image.Resampling.BOX)
    return base64.b64encode(bytes(rgba_to_thumb_hash(small.width, small.height, list(small.tobytes())))).decode()
