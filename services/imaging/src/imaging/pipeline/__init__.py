"""From bytes to thumbs, colours and placeholder: check the limits, decode once, then work on that one picture."""

from imaging.domain import Limits, Rendering
from imaging.pipeline.colours import palette
from imaging.pipeline.decoding import decode
from imaging.pipeline.opening import open_picture
from imaging.pipeline.placeholder import placeholder
from imaging.pipeline.thumbs import encode, scale

# Raise it with every change that gives other thumbs, colours or placeholders for the same bytes.
RECIPE = 4


def render(data: bytes, limits: Limits, squares: tuple[int, ...]) -> Rendering:
    """Return the thumbs for `squares`, the colours and the placeholder of the picture in `data`.

    The result is the same for the same bytes and RECIPE. Raise `UnsupportedFormatError`, `TooLargeError` or
    `MalformedError`; `MemoryError` if the machine has no memory left.
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
