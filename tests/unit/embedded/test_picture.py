import io

from PIL import Image

from embedded.sample.picture import paint


def test_sample_is_a_jpeg_of_a_photos_size() -> None:
    with Image.open(io.BytesIO(paint())) as picture:
        assert (picture.format, picture.size, picture.mode) == ("JPEG", (1600, 1067), "RGB")
        assert len(picture.getcolors(maxcolors=1600 * 1067) or []) > 10_000
