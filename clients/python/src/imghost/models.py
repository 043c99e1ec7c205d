"""What the service shows. The fields are those of the API document; a field that is not known here is left out.

`etag` is not in a document but in the header of an answer. Pass it as `if_match` to a change that must not overwrite
what somebody else has changed meanwhile. It is None in lists, and where the answer to a change had none: read it by one
of the `get_` methods.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

Status = Literal["pending", "ready", "failed"]
Sort = Literal["newest", "oldest"]
Scope = Literal["read", "write", "upload", "keys"]
ContentType = Literal[
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/heic",
    "image/heif",
    "image/jpeg",
    "image/png",
    "image/tiff",
    "image/webp",
]


class Unchanged:
    """Stands for a field that a change leaves as it is, where None means something else."""

    def __repr__(self) -> str:
        return "UNCHANGED"


UNCHANGED = Unchanged()


@dataclass(frozen=True, slots=True)
class Size:
    """Width and height in pixels, of the upright picture."""

    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Thumb:
    """A smaller form of an image, at `url`."""

    size: Size
    url: str


@dataclass(frozen=True, slots=True)
class ImageError:
    """Why an image has failed: a stable `code`, and a `detail` for people."""

    code: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicImage:
    """An image as everybody sees it. Until it is `ready` for the first time, there is no size, colour or thumb.

    `display` is to be shown instead of the original, where it is not None: browsers do not show every format.
    """

    url: str
    s3_key: str
    title: str
    description: str
    size: Size | None
    colors: tuple[str, ...]
    thumbs: tuple[Thumb, ...]
    display: Thumb | None = None
    status: Status
    placeholder: str | None
    date_created: datetime
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image(PublicImage):
    """An image as its owner sees it. `bytes` and `sha256` are those of the original; `error` says why it `failed`.

    `uploaded`: the original came to S3 through the service, which can delete it.
    """

    s3_bucket: str
    user: str
    uri: str
    content_type: str | None
    bytes: int | None
    sha256: str | None
    error: ImageError | None
    date_updated: datetime
    uploaded: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicCollection:
    """A collection as everybody sees it, with its images in its order."""

    name: str
    images: tuple[PublicImage, ...]
    title: str = ""
    description: str = ""
    cover: str | None = None
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A collection as its owner sees it, without its images. `cover` is the key of the image that stands for it."""

    name: str
    user: str
    uri: str
    title: str
    description: str
    cover: str | None
    date_created: datetime
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionWithImages(Collection):
    """A collection as its owner sees it, with its images in its order."""

    images: tuple[Image, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """An API key without its secret. Until `previous_secret_expires_at` the secret before the last rotation works."""

    id: str
    description: str
    scopes: tuple[str, ...]
    parent: str | None
    expires_at: datetime | None
    previous_secret_expires_at: datetime | None
    date_created: datetime
    date_last_used: datetime | None
    uri: str
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApiKey(ApiKey):
    """An API key with its secret in `key`, which is shown this once."""

    key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedPost:
    """A form that puts one file into S3: send `fields` to `url`, and `file` last. `fields["key"]` is the S3 key."""

    url: str
    fields: dict[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class SignedPut:
    """An address that puts one file of a known size into S3: send it to `url` by PUT, with `headers`."""

    url: str = field(repr=False)
    headers: dict[str, str]
    s3_key: str


@dataclass(frozen=True, slots=True)
class ImageCounts:
    """How many images there are by status."""

    pending: int
    ready: int
    failed: int


@dataclass(frozen=True, slots=True)
class FormatCounts:
    """How many images there are of one format, and the length of their originals."""

    content_type: str
    images: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """How many images you have, and the length of all originals whose format is known."""

    images: ImageCounts
    bytes: int
    formats: tuple[FormatCounts, ...]
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What a user has, or may have; None where nothing is limited, or a part of the service did not answer."""

    requests: int | None
    writes: int | None
    api_keys: int | None
    images: int | None = None
    bytes: int | None = None
    collections: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A user. `use` and `limits` tell of everything only if they are `complete`."""

    username: str
    date_created: datetime
    uri: str
    use: Use
    limits: Use
    complete: bool
    etag: str | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Health:
    """The gateway is alive."""

    status: str


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the gateway is ready: by its `own` checks; the `shared` ones tell of the services behind it."""

    status: str
    own: dict[str, bool]
    shared: dict[str, bool]
