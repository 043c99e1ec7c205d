"""From bytes to thumbs, colours and placeholder: limits first, then one decode, then steps over one picture."""

from imaging.domain import Limits, Rendering
from imaging.pipeline.colours import palette
from imaging.pipeline.decoding import decode
from imaging.pipeline.opening import open_picture
from imaging.pipeline.placeholder import placeholder
from imaging.pipeline.thumbs import encode, scale

# Raised whenever the same bytes give other thumbs, colours or placeholders than before.
RECIPE = 3


def render(data: bytes, limits: Limits, squares: tuple[int, ...]) -> Rendering:
    """Make thumbs for SQUARES, colours and placeholder of the picture in DATA.

    The same bytes and the same RECIPE give the same result. Raises UnsupportedFormatError, TooLargeError or
    MalformedError; MemoryError where the machine has no memory left.
    """
    opened = open_picture(data, limits)
    picture = decode(opened, needed=max(squares))
    scaled = scale(picture.image, picture.size, squares)
    smallest = scaled[min(squares)]
    smallest = smallest.convert("RGB") if smallest.mode == "YCbCr" else smallest
    return Rendering(
        width=picture.size[0],
        height=picture.size[1],
        content_type=opened.content_type,
        colors=palette(smallest),
        placeholder=placeholder(smallest),
        thumbs=tuple(encode(scaled[square], square) for square in sorted(squares)),
    )
