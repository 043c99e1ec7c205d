"""What a program knows of answers by the types that openapi-python-client makes: mypy checks each of them."""

from typing import assert_type

from imghost_api.api.images import create_image, get_image
from imghost_api.client import AuthenticatedClient
from imghost_api.models import DisplayPicture, FieldError, Image, NewImage, Problem, Thumb
from imghost_api.types import Unset


def show(client: AuthenticatedClient) -> None:
    found = get_image.sync("a.jpg", client=client)
    if isinstance(found, Image):
        assert_type(found.thumbs, list[Thumb])
        assert_type(found.thumbs[0].url, str)
        assert_type(found.thumbs[0].size.width, int)
        assert_type(found.display, DisplayPicture | None)
    made = create_image.sync(client=client, body=NewImage(s3_key="a.jpg"))
    if isinstance(made, Problem):
        assert_type(made.type_, str)
        assert_type(made.code, str)
        assert_type(made.status, int)
        assert_type(made.errors, list[FieldError] | Unset)
