"""From bytes to thumbs and the like: check the limits, decode once, then make all of that one picture."""

from imaging.domain import DISPLAY_SQUARE, DisplayPictures, Limits, Rendering
from imaging.pipeline.colours import palette
from imaging.pipeline.decoding import decode
from imaging.pipeline.display import is_wanted
from imaging.pipeline.opening import open_picture
from imaging.pipeline.placeholder import placeholder
from imaging.pipeline.thumbs import encode, scale

# Raise it with every change that gives other thumbs, display pictures, colours or placeholders for the same bytes.
RECIPE = 5


def render(data: bytes, limits: Limits, squares: tuple[int, ...], display: DisplayPictures = "needed") -> Rendering:
    """Return the thumbs for `squares`, the colours and the placeholder of the picture in `data`.

    `display` says whether there is a display picture, too. The result is the same for the same arguments and RECIPE.
    Raise `UnsupportedFormatError`, `TooLargeError` or `MalformedError`; `MemoryError` if the machine has no memory
    left.
    """
    opened = open_picture(data, limits)
    has_display = is_wanted(opened, display)
    made = {*squares, DISPLAY_SQUARE} if has_display else {*squares}
    picture = decode(opened, needed=max(made))
    scaled = scale(picture.image, picture.size, tuple(made))
    smallest = scaled[min(squares)]
    smallest = smallest.convert("RGB") if smallest.mode == "YCbCr" else smallest
    encoded = {square: encode(scaled[square], square) for square in sorted(made)}
    return Rendering(
        width=picture.size[0],
        height=picture.size[1],
        content_type=opened.content_type,
        colors=palette(smallest),
        placeholder=placeholder(smallest),
        thumbs=tuple(encoded[square] for square in sorted(squares)),
        display=encoded[DISPLAY_SQUARE] if has_display else None,
    )
