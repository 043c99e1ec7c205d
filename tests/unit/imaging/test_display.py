"""Display pictures: which originals get one, and what it is like."""

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms

from imaging.domain import DisplayPictures, Limits, Rendering
from imaging.pipeline import render
from pictures import decoded, encoded, photo

SQUARES = (64, 128, 256, 512)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, FORMATS)
NOT_SHOWN_BY_BROWSERS = {"TIFF", "HEIF"}


def rendered(data: bytes, display: DisplayPictures = "needed", squares: tuple[int, ...] = SQUARES) -> Rendering:
    return render(data, LIMITS, squares, display)


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("display", ["all", "needed", "none"])
def test_pictures_get_a_display_picture_as_the_operator_wants(file_format: str, display: DisplayPictures) -> None:
    made = rendered(photo(300, 200, file_format), display)
    has_one = display == "all" or (display == "needed" and file_format in NOT_SHOWN_BY_BROWSERS)
    assert (made.display is not None) == has_one
    assert [thumb.square for thumb in made.thumbs] == list(SQUARES)


def test_webp_that_has_to_be_turned_gets_one_since_not_all_browsers_turn_it() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    made = rendered(encoded(decoded(photo(300, 200)), "WEBP", exif=exif))
    assert made.display is not None
    assert decoded(made.display.data).size == (200, 300)


@pytest.mark.parametrize(
    ("width", "height", "size"),
    [(4000, 3000, (2048, 1536)), (1000, 4096, (500, 2048)), (300, 200, (300, 200)), (6000, 2, (2048, 1))],
)
def test_display_picture_fits_a_square_of_2048_pixels_and_is_never_larger_than_its_original(
    width: int, height: int, size: tuple[int, int]
) -> None:
    made = rendered(photo(width, height, "TIFF"))
    assert (made.width, made.height) == (width, height)
    assert made.display is not None
    assert (made.display.square, made.display.width, made.display.height) == (2048, *size)
    assert decoded(made.display.data).size == size


def test_display_picture_is_upright_in_srgb_and_without_metadata() -> None:
    picture = Image.new("RGB", (60, 40), (30, 60, 200))
    picture.paste((200, 60, 30), (0, 0, 60, 10))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Secret Camera"
    lab = ImageCms.profileToProfile(
        picture, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    made = rendered(encoded(lab, "TIFF", exif=exif))
    assert (made.width, made.height) == (40, 60)
    assert made.display is not None
    shown = decoded(made.display.data)
    assert shown.size == (40, 60)
    for at, colour in (((37, 30), (200, 60, 30)), ((5, 30), (30, 60, 200))):
        assert shown.getpixel(at) == pytest.approx(colour, abs=8)
    assert not shown.info.keys() & {"exif", "icc_profile", "xmp"}
    assert b"Secret" not in made.display.data


def test_display_picture_keeps_transparency() -> None:
    picture = Image.new("RGBA", (60, 40), (30, 60, 200, 255))
    picture.paste((0, 0, 0, 0), (0, 0, 30, 40))
    made = rendered(encoded(picture, "TIFF"))
    assert made.display is not None
    assert made.display.content_type == "image/webp"
    shown = decoded(made.display.data)
    assert shown.getpixel((5, 5))[3] == 0  # type: ignore[index] # it has channels
    assert shown.getpixel((55, 5))[3] == 255  # type: ignore[index]


def test_display_picture_is_sharper_than_a_thumb_that_is_made_larger() -> None:
    rows, columns = np.mgrid[0:1500, 0:2000]
    fine = Image.fromarray((((rows // 2 + columns // 2) % 2) * 255).astype(np.uint8)).convert("RGB")
    made = rendered(encoded(fine, "TIFF"))
    assert made.display is not None
    assert np.asarray(decoded(made.display.data).convert("L")).std() > 100
    assert np.asarray(decoded(made.thumbs[-1].data).convert("L")).std() < 20


@pytest.mark.parametrize("file_format", ["GIF", "WEBP", "PNG", "AVIF"])
def test_animation_is_not_replaced_by_a_still_picture(file_format: str) -> None:
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:], duration=100)
    assert rendered(data, "all").display is None
    assert rendered(data, "all").thumbs == rendered(data, "none").thumbs


def test_tiff_of_several_pages_shows_its_first() -> None:
    pages = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    made = rendered(encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:]))
    assert made.display is not None
    assert decoded(made.display.data).getpixel((20, 15)) == pytest.approx((255, 0, 0), abs=4)


def test_thumb_of_the_same_size_is_the_display_picture() -> None:
    made = rendered(photo(3000, 2000, "TIFF"), squares=(64, 2048))
    assert [thumb.square for thumb in made.thumbs] == [64, 2048]
    assert made.display == made.thumbs[-1]
