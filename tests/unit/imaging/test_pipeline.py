"""Pictures of every kind through the whole pipeline: sizes, colours, transparency, profiles, orientation."""

import base64
import io
import struct
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image, ImageCms, ImageDraw, PngImagePlugin

from bad_pictures import png
from imaging.domain import Limits, Rendering
from imaging.errors import MalformedError, TooLargeError, UnsupportedFormatError
from imaging.pipeline import render
from imaging.pipeline.decoding import decode
from imaging.pipeline.opening import open_picture
from imaging.pipeline.thumbs import resize, scale
from pictures import decoded, encoded, photo

SQUARES = (64, 128, 256, 512)
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "TIFF", "BMP", "HEIF")
LIMITS = Limits(64 * 1024 * 1024, 64_000_000, 30_000, 1024**3, FORMATS)


def rendered(data: bytes, limits: Limits = LIMITS) -> Rendering:
    return render(data, limits, SQUARES)


def near(colour: str, expected: tuple[int, int, int], tolerance: int = 8) -> bool:
    return all(abs(int(colour[i : i + 2], 16) - e) <= tolerance for i, e in zip((1, 3, 5), expected, strict=True))


@pytest.mark.parametrize(
    ("file_format", "content_type"),
    [
        ("JPEG", "image/jpeg"),
        ("PNG", "image/png"),
        ("WEBP", "image/webp"),
        ("GIF", "image/gif"),
        ("AVIF", "image/avif"),
        ("TIFF", "image/tiff"),
        ("BMP", "image/bmp"),
        ("HEIF", "image/heic"),
    ],
)
def test_every_format_is_told_by_content(file_format: str, content_type: str) -> None:
    made = rendered(photo(1200, 800, file_format))
    assert (made.width, made.height, made.content_type) == (1200, 800, content_type)
    assert [(thumb.width, thumb.height) for thumb in made.thumbs] == [(64, 43), (128, 85), (256, 171), (512, 341)]
    assert near(made.colors[0], (20, 60, 200))
    assert near(made.colors[1], (230, 120, 20))
    for thumb in made.thumbs:
        picture = decoded(thumb.data)
        assert (picture.size, thumb.content_type) == ((thumb.width, thumb.height), "image/jpeg")


def test_same_bytes_give_the_same_bytes() -> None:
    assert rendered(photo()) == rendered(photo())


@pytest.mark.parametrize("size", [(1, 1), (3000, 1), (1, 3000), (40, 30), (64, 64), (513, 511)])
def test_every_square_has_its_thumb_and_none_is_enlarged(size: tuple[int, int]) -> None:
    made = rendered(encoded(Image.new("RGB", size, "teal"), "PNG"))
    assert [thumb.square for thumb in made.thumbs] == list(SQUARES)
    for thumb in made.thumbs:
        assert 1 <= thumb.width <= min(size[0], thumb.square)
        assert 1 <= thumb.height <= min(size[1], thumb.square)
        assert max(thumb.width, thumb.height) == min(max(size), thumb.square)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_is_turned_upright(orientation: int) -> None:
    """The orange corner is at the top left of the upright picture, however it was stored."""
    upright = Image.new("RGB", (600, 300), (20, 60, 200))
    upright.paste((230, 120, 20), (0, 0, 150, 150))
    undo = {
        2: [Image.Transpose.FLIP_LEFT_RIGHT],
        3: [Image.Transpose.ROTATE_180],
        4: [Image.Transpose.FLIP_TOP_BOTTOM],
        5: [Image.Transpose.TRANSPOSE],
        6: [Image.Transpose.ROTATE_90],
        7: [Image.Transpose.TRANSVERSE],
        8: [Image.Transpose.ROTATE_270],
    }
    stored = upright
    for step in undo.get(orientation, []):
        stored = stored.transpose(step)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    for file_format in ("JPEG", "PNG", "WEBP", "TIFF"):
        made = rendered(encoded(stored, file_format, exif=exif))
        assert (made.width, made.height) == (600, 300), file_format
        thumb = decoded(made.thumbs[-1].data)
        assert thumb.size == (512, 256)
        pixel = thumb.convert("RGB").getpixel((40, 40))
        assert isinstance(pixel, tuple)
        assert pixel[0] > 180, file_format


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("size", [(600, 300), (3000, 1500)])
def test_picture_with_a_colour_profile_is_turned_upright_too(file_format: str, size: tuple[int, int]) -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 6
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    made = rendered(encoded(Image.new("RGB", size, "teal"), file_format, exif=turned, icc_profile=profile))
    assert (made.width, made.height) == (size[1], size[0])
    assert decoded(made.thumbs[-1].data).size == (256, 512)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_orientation_in_xmp_turns_nothing(file_format: str) -> None:
    """No viewer follows it: programs leave it there when they have turned a picture."""
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    options: dict[str, Any] = {"xmp": xmp}
    if file_format == "PNG":
        options = {"pnginfo": PngImagePlugin.PngInfo()}
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    if file_format == "TIFF":
        options = {"tiffinfo": {700: xmp}}
    data = encoded(Image.new("RGB", (600, 300), "teal"), file_format, **options)
    assert b"tiff:Orientation" in data
    made = rendered(data)
    assert (made.width, made.height) == (600, 300)


def test_deep_picture_is_turned_upright_too() -> None:
    turned = Image.Exif()
    turned[ExifTags.Base.Orientation] = 8
    made = rendered(encoded(Image.new("I;16", (600, 300), 40_000), "PNG", exif=turned))
    assert (made.width, made.height) == (300, 600)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("exif", [b"Exif\0\0 what is this", b"Exif\0\0II*\0"])
def test_picture_with_broken_exif_is_no_broken_picture(file_format: str, exif: bytes) -> None:
    made = rendered(encoded(Image.new("RGB", (600, 300), "teal"), file_format, exif=exif))
    assert (made.width, made.height) == (600, 300)


def test_png_with_a_long_compressed_comment_is_no_broken_picture() -> None:
    comment = PngImagePlugin.PngInfo()
    comment.add_itxt("workflow", "node " * 500_000, zip=True)
    assert rendered(encoded(Image.new("RGB", (60, 30), "teal"), "PNG", pnginfo=comment)).width == 60


def test_transparency_is_kept_in_webp() -> None:
    picture = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((100, 100, 300, 300), fill=(200, 30, 30, 255))
    made = rendered(encoded(picture, "PNG"))
    assert {thumb.content_type for thumb in made.thumbs} == {"image/webp"}
    thumb = decoded(made.thumbs[0].data).convert("RGBA")
    assert thumb.getpixel((0, 0))[3] == 0  # type: ignore[index]
    assert thumb.getpixel((32, 32))[3] == 255  # type: ignore[index]
    assert near(made.colors[0], (200, 30, 30))


def test_alpha_that_hides_nothing_is_opaque() -> None:
    made = rendered(encoded(Image.new("RGBA", (90, 90), (1, 2, 3, 255)), "PNG"))
    assert {thumb.content_type for thumb in made.thumbs} == {"image/jpeg"}


@pytest.mark.parametrize(
    ("picture", "colors"),
    [
        (Image.new("RGB", (50, 50), "white"), ("#ffffff",)),
        (Image.new("RGBA", (50, 50), (9, 9, 9, 0)), ("#ffffff",)),
        (Image.new("L", (50, 50), 0), ("#000000",)),
        (Image.new("RGB", (1, 1), (12, 34, 56)), ("#0c2238",)),
        (Image.new("1", (50, 50), 1), ("#ffffff",)),
    ],
)
def test_colours_of_one_colour_are_that_colour(picture: Image.Image, colors: tuple[str, ...]) -> None:
    assert rendered(encoded(picture, "PNG")).colors == colors


def test_colours_are_at_most_nine_and_most_dominant_first() -> None:
    picture = Image.new("RGB", (300, 100))
    pixels = np.asarray(picture).copy()
    rng = np.random.default_rng(7)
    pixels[:] = rng.integers(0, 255, pixels.shape)
    pixels[:, :200] = (250, 250, 250)
    made = rendered(encoded(Image.fromarray(pixels), "PNG"))
    assert 2 <= len(made.colors) <= 9
    assert near(made.colors[0], (250, 250, 250))


@pytest.mark.parametrize("mode", ["L", "P", "1", "LA", "I;16", "RGB"])
def test_every_kind_of_png(mode: str) -> None:
    picture = decoded(photo())
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257)
    else:
        picture = picture.convert(mode)
    made = rendered(encoded(picture, "PNG"))
    assert len(made.thumbs) == 4
    assert made.colors


def test_sixteen_bits_are_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 256 * 256).reshape(256, 256).astype(np.uint16)
    thumb = decoded(rendered(encoded(Image.fromarray(values), "PNG")).thumbs[-1].data)
    grey = np.asarray(thumb.convert("L"))
    assert grey.min() < 10
    assert grey.max() > 245
    assert abs(float(grey.mean()) - 127) < 3


def jpegs_of_an_orange() -> dict[str, bytes]:
    """A JPEG may say in several ways what its three components are, or leave it to be guessed."""
    orange = Image.new("RGB", (600, 400), (200, 100, 50))
    ycbcr, rgb = encoded(orange, "JPEG", quality=95), encoded(orange, "JPEG", quality=95, keep_rgb=True)
    bare = ycbcr[:2] + ycbcr[2 + 2 + int.from_bytes(ycbcr[4:6]) :]
    frame, scan = bare.index(b"\xff\xc0"), bare.index(b"\xff\xda")
    numbered = bytearray(bare)
    for number in range(3):
        numbered[frame + 10 + 3 * number] = numbered[scan + 5 + 2 * number] = number
    adobe = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0"
    return {
        "with JFIF": ycbcr,
        "with nothing but its components' numbers": bare,
        "numbered from 0": bytes(numbered),
        "by Adobe's segment": bare[:2] + adobe + b"\1" + bare[2:],
        "by a cut segment of Adobe's": bare[:2] + b"\xff\xee\0\x0dAdobe\0\x64\0\0\0\0" + bare[2:],
        "red, green and blue": rgb,
        "of a profile": encoded(orange, "JPEG", quality=95, icc_profile=srgb()),
        "red, green and blue of a profile": encoded(orange, "JPEG", quality=95, keep_rgb=True, icc_profile=srgb()),
        "progressive": encoded(orange, "JPEG", quality=95, progressive=True),
        "without subsampling": encoded(orange, "JPEG", quality=95, subsampling=0),
    }


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("kind", jpegs_of_an_orange())
def test_orange_stays_orange_however_a_jpeg_stores_it(kind: str) -> None:
    made = rendered(jpegs_of_an_orange()[kind])
    assert near(made.colors[0], (200, 100, 50), 3)
    for thumb in made.thumbs:
        pixel = decoded(thumb.data).getpixel((thumb.width // 2, thumb.height // 2))
        assert pixel == pytest.approx((200, 100, 50), abs=4)


@pytest.mark.parametrize("size", [(1301, 877), (2048, 1024), (999, 3001), (530, 530), (4100, 400)])
def test_colours_stay_where_they_are_when_a_jpeg_is_scaled(size: tuple[int, int]) -> None:
    """Luma and chroma are scaled by different filters, and must stay aligned."""
    corner = (230, 120, 20)
    picture = Image.new("RGB", size, (20, 60, 200))
    picture.paste(corner, (size[0] // 2, size[1] // 2, *size))
    opened = open_picture(encoded(picture, "JPEG", quality=95, subsampling=0), LIMITS)
    made = decode(opened, max(SQUARES))
    assert made.image.mode == "YCbCr"
    for scaled in scale(made.image, made.size, SQUARES).values():
        reference = np.asarray(picture.resize(scaled.size, Image.Resampling.LANCZOS)).astype(int)
        # As much as a border that is off by a fifth of a pixel.
        border = 200 / 5 * (1 / scaled.width + 1 / scaled.height)
        assert np.abs(np.asarray(scaled.convert("RGB")) - reference).mean() < 1 + border


@pytest.mark.parametrize("sides", [(12, 6), (12, 5), (11, 5), (15, 5), (16, 5), (13, 12), (9, 4)])
def test_a_ramp_of_chroma_stays_a_ramp_from_end_to_end(sides: tuple[int, int]) -> None:
    """Sides that divide into whole blocks of pixels, and sides that do not: the remainder must not be stretched."""
    before, after = sides
    step = 240 / before
    ramp = Image.fromarray(((np.arange(before) + 0.5) * step).astype(np.uint8)[None].repeat(before, axis=0))
    picture = Image.merge("YCbCr", (ramp, ramp, ramp.transpose(Image.Transpose.TRANSPOSE)))
    _, across, down = resize(picture, (after, after)).split()
    # At the two ends the filter has no pixels beyond the border to average with.
    expected = ((np.arange(after) + 0.5) * 240 / after)[1:-1]
    assert np.asarray(across)[0, 1:-1] == pytest.approx(expected, abs=step / 4)
    assert np.asarray(down)[1:-1, 0] == pytest.approx(expected, abs=step / 4)


def test_thumbs_carry_no_metadata() -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Artist] = "somebody"
    options: dict[str, Any] = {"exif": exif, "icc_profile": srgb()}
    originals = [
        encoded(decoded(photo()), "JPEG", comment=b"secret", **options),
        encoded(decoded(photo()), "WEBP", **options),
    ]
    for data in originals:
        for thumb in rendered(data).thumbs:
            picture = decoded(thumb.data)
            assert not picture.getexif()
            assert not {"icc_profile", "comment", "exif", "xmp"} & set(picture.info)


def test_first_frame_stands_for_an_animation() -> None:
    frames = [Image.new("RGB", (80, 80), colour) for colour in ("red", "blue", "lime")]
    for file_format in ("GIF", "WEBP", "PNG"):
        data = encoded(frames[0], file_format, save_all=True, append_images=frames[1:])
        assert near(rendered(data).colors[0], (255, 0, 0), 12)


@pytest.mark.parametrize("transparency", [None, 0])
def test_canvas_that_the_first_frame_does_not_cover_is_transparent(transparency: int | None) -> None:
    frame = Image.new("P", (100, 50), 1)
    frame.putpalette([20, 60, 200, 230, 120, 20])
    options = {} if transparency is None else {"transparency": transparency}
    data = bytearray(encoded(frame, "GIF", **options))
    data[6:10] = struct.pack("<HH", 200, 100)
    made = rendered(bytes(data))
    assert (made.width, made.height) == (200, 100)
    assert len(made.colors) == 1
    assert near(made.colors[0], (230, 120, 20), 12)
    thumb = decoded(made.thumbs[-1].data).convert("RGBA")
    assert thumb.getpixel((50, 25))[3] == 255  # type: ignore[index]
    assert thumb.getpixel((150, 25))[3] == thumb.getpixel((50, 75))[3] == 0  # type: ignore[index]


def chroma_of(data: bytes) -> tuple[int, int]:
    """Return how many pixels share their chroma, across and down."""
    layer = decoded(data).layer  # type: ignore[attr-defined]
    return layer[0][1], layer[0][2]


def test_small_thumbs_keep_all_chroma_and_large_ones_half() -> None:
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 255, (600, 600, 3), np.uint8))
    made = rendered(encoded(noise, "JPEG", quality=95))
    assert [chroma_of(thumb.data) for thumb in made.thumbs] == [(1, 1), (2, 2), (2, 2), (2, 2)]


def test_pixel_art_keeps_its_colours_to_the_edge() -> None:
    art = Image.new("RGB", (256, 256), "blue")
    for x in range(0, 256, 2):
        art.paste((255, 0, 0), (x, 0, x + 1, 256))
    thumb = rendered(encoded(art, "PNG")).thumbs[2]
    assert thumb.width == 256
    pixels = np.asarray(decoded(thumb.data).convert("RGB")).astype(int)
    assert np.abs(pixels[:, ::2] - (255, 0, 0)).max() < 40
    assert np.abs(pixels[:, 1::2] - (0, 0, 255)).max() < 40


def test_near_blacks_are_one_colour() -> None:
    shades = np.linspace(0, 26, 256).astype(np.uint8)[None].repeat(256, axis=0)
    night = np.stack([shades, shades.T, shades // 2], axis=2)
    night[:60, :120] = (240, 200, 120)
    colors = rendered(encoded(Image.fromarray(night), "PNG")).colors
    assert sum(max(bytes.fromhex(colour[1:])) < 28 for colour in colors) == 1
    assert any(near(colour, (240, 200, 120)) for colour in colors)


@pytest.mark.parametrize("accent", [(220, 30, 40), (250, 210, 0), (0, 160, 70), (120, 40, 200)])
def test_accent_that_covers_little_is_among_the_colours(accent: tuple[int, int, int]) -> None:
    """A half percent of a picture whose many other colours are all brownish and bluish greys."""
    random = np.random.default_rng(4)
    base = np.linspace(30, 220, 200)[None].repeat(200, axis=0)[..., None] + random.normal(0, 8, (200, 200, 3))
    base[..., 0] += np.linspace(-25, 25, 200)[:, None]
    base[..., 2] -= np.linspace(-25, 25, 200)[:, None]
    pixels = np.clip(base, 0, 255).astype(np.uint8)
    pixels[90:104, 90:104] = accent
    colors = rendered(encoded(Image.fromarray(pixels), "PNG")).colors
    assert len(colors) <= 9
    assert any(near(colour, accent, 40) for colour in colors), colors


def test_placeholder_is_a_thumbhash() -> None:
    assert 5 <= len(base64.b64decode(rendered(photo()).placeholder)) <= 25


@pytest.mark.parametrize("data", [b"", b"\0", b"<html></html>", b"<svg/>", b"%PDF-1.7", b"GIF", photo()[:2]])
def test_what_is_no_picture_is_of_no_supported_format(data: bytes) -> None:
    with pytest.raises(UnsupportedFormatError):
        rendered(data)


def test_format_that_the_operator_took_off_the_list_is_unsupported() -> None:
    narrow = replace(LIMITS, formats=("PNG",))
    with pytest.raises(UnsupportedFormatError):
        rendered(photo(), narrow)


@pytest.mark.parametrize("name", ["gAMA", "cHRM", "sRGB", "pHYs", "tIME", "acTL", "fcTL", "iCCP", "tRNS", "zTXt"])
@pytest.mark.parametrize("content", [b"", b"\xff" * 3, b"a\0\7" + bytes(40)])
def test_png_with_an_extra_chunk_of_a_wrong_content_is_shown(name: str, content: bytes) -> None:
    data = encoded(Image.new("RGB", (60, 30), "teal"), "PNG")
    header, end = len(png.MAGIC) + 25, data.index(b"IEND") - 4
    for at in (header, end):
        assert rendered(data[:at] + png.chunk(name.encode(), content) + data[at:]).colors == ("#008080",)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP"])
def test_truncated_file_is_malformed_and_nothing_worse(file_format: str) -> None:
    noise = Image.fromarray(np.random.default_rng(3).integers(0, 255, (200, 200, 3)).astype(np.uint8))
    data = encoded(noise, file_format)
    for part in (0.5, 0.9):
        with pytest.raises((MalformedError, UnsupportedFormatError)):
            rendered(data[: int(len(data) * part)])


def test_picture_over_the_limits_is_too_large_before_it_is_decoded() -> None:
    bomb = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(bomb, "PNG")
    for limits in (LIMITS, replace(LIMITS, max_bytes=100), replace(LIMITS, max_pixels=10**9, max_side=10_000)):
        with pytest.raises(TooLargeError):
            rendered(bomb.getvalue(), limits)
