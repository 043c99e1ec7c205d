import io

import pytest
from PIL import Image

from imaging.domain import Limits
from imaging.errors import TooLargeError
from imaging.pipeline.opening import open_picture

FORMATS = ("PNG", "GIF", "JPEG", "WEBP", "TIFF", "BMP")
LIMITS = Limits(10**7, max_pixels=10**4, max_side=10**4, max_memory=1024**3, formats=FORMATS)


@pytest.mark.parametrize("file_format", FORMATS)
def test_picture_over_the_limits_is_refused_by_its_header_alone(file_format: str) -> None:
    """Of a bomb of a few bytes the decoder makes gigabytes, so it must not see one: here there is nothing to decode."""
    encoded = io.BytesIO()
    Image.new("RGB", (400, 300)).save(encoded, file_format)
    header = encoded.getvalue()[: -len(encoded.getvalue()) // 4]
    with pytest.raises(TooLargeError):
        open_picture(header, LIMITS)
