"""A client of imghost: `Client` has a method for each operation of the API. The command `imghost` is made of it."""

from imghost.client import Client
from imghost.errors import (
    FileChangedError,
    ImageFailedError,
    ImghostError,
    NoAnswerError,
    StillPendingError,
    UploadFailedError,
)
from imghost.models import (
    UNCHANGED,
    ApiKey,
    Collection,
    CollectionWithImages,
    Image,
    NewApiKey,
    PublicCollection,
    PublicImage,
    SignedPost,
    SignedPut,
    Size,
    Stats,
    Thumb,
    User,
)
from imghost.problems import ProblemError

__all__ = [
    "UNCHANGED",
    "ApiKey",
    "Client",
    "Collection",
    "CollectionWithImages",
    "FileChangedError",
    "Image",
    "ImageFailedError",
    "ImghostError",
    "NewApiKey",
    "NoAnswerError",
    "ProblemError",
    "PublicCollection",
    "PublicImage",
    "SignedPost",
    "SignedPut",
    "Size",
    "Stats",
    "StillPendingError",
    "Thumb",
    "UploadFailedError",
    "User",
]
