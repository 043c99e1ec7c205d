"""What requests to catalog may hold."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationInfo,
    model_validator,
)
from pydantic_core import PydanticCustomError

from catalog import domain
from catalog.errors import UnacceptableKeyError
from catalog.keys import check_key
from catalog.uploads import CONTENT_TYPES, check_filename

MOST_OPERATIONS = 500
_NUMBER = re.compile(r"[0-9]{1,18}")


def _s3_key(key: str) -> str:
    try:
        check_key(key)
    except UnacceptableKeyError as fault:
        raise PydanticCustomError("invalid_s3_key", "{reason}", {"reason": str(fault)}) from None
    return key


def _filename(name: str) -> str:
    try:
        check_filename(name)
    except UnacceptableKeyError as fault:
        raise PydanticCustomError("invalid_s3_key", "{reason}", {"reason": str(fault)}) from None
    return name


def _content_type(name: str) -> str:
    if name not in CONTENT_TYPES.values():
        raise PydanticCustomError("unsupported_format", "Must be that of a format that is taken")
    return name


def _true_in_a_form(value: object, info: ValidationInfo) -> object:
    return True if value == "true" and info.context == {"form": True} else value


def _number_in_a_form(value: object, info: ValidationInfo) -> object:
    if isinstance(value, str) and info.context == {"form": True} and _NUMBER.fullmatch(value):
        return int(value)
    return value


def _none_in_a_form(value: object, info: ValidationInfo) -> object:
    return None if value == "" and info.context == {"form": True} else value


def _not_null(value: object) -> object:
    if value is None:
        raise PydanticCustomError("null", "Must be a text, or left out")
    return value


def _only_true(value: bool) -> bool:
    if not value:
        raise PydanticCustomError("not_true", "Must be true, or left out")
    return value


S3Key = Annotated[str, AfterValidator(_s3_key)]
# An image that is named in a form; an empty text is none, as null is in JSON.
OtherKey = Annotated[S3Key | None, BeforeValidator(_none_in_a_form)]
S3Bucket = Annotated[str, StringConstraints(max_length=255)]
Title = Annotated[str, StringConstraints(max_length=255)]
Description = Annotated[str, StringConstraints(max_length=10_000)]
CollectionName = Annotated[str, StringConstraints(pattern=f"^{domain.COLLECTION_NAME.pattern}$")]
ContentType = Annotated[str, AfterValidator(_content_type)]
IfMatch = Annotated[str | None, Field(max_length=1000), BeforeValidator(_not_null)]
Filename = Annotated[str, AfterValidator(_filename)]
Size = Annotated[int, Field(ge=1), BeforeValidator(_number_in_a_form)]
Yes = Annotated[bool, BeforeValidator(_true_in_a_form), AfterValidator(_only_true)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PublicImages(_Body):
    """Asking for public images, each with the tag that its client knows, if any, and the id of its request."""

    s3_keys: Annotated[list[str], Field(max_length=64)]
    tags: list[str | None]
    requests: list[str]

    @model_validator(mode="after")
    def _have_a_tag_each(self) -> Self:
        _require_as_many(self.s3_keys, self.tags, "tags")
        return self


class OwnImages(PublicImages):
    """Asking for images of several callers, each with the Authorization header of its caller."""

    authorizations: list[str]

    @model_validator(mode="after")
    def _have_a_caller_each(self) -> Self:
        _require_as_many(self.s3_keys, self.authorizations, "authorizations")
        return self


def _require_as_many(s3_keys: Sequence[str], others: Sequence[object], name: str) -> None:
    if len(others) != len(s3_keys):
        raise PydanticCustomError("lengths", "Must be as many {others} as keys", {"others": name})


class NewImage(_Body):
    """Registering an image."""

    s3_key: S3Key
    s3_bucket: S3Bucket = ""
    title: Title = ""
    description: Description = ""

    @property
    def chosen_bucket(self) -> str | None:
        """The bucket that was asked for; None for the operator's default."""
        return self.s3_bucket if "s3_bucket" in self.model_fields_set else None


class ImageChange(_Body):
    """Changing an image: fields that are left out stay as they are; null is refused."""

    title: Title = ""
    description: Description = ""
    reprocess: Yes = False

    def given(self, name: str) -> str | None:
        """Return the text of the field `name`, or None if it was left out."""
        return getattr(self, name) if name in self.model_fields_set else None


class NewCollection(_Body):
    """Making a collection."""

    name: CollectionName


class CollectionChange(_Body):
    """Changing a collection: fields that are left out stay as they are; only `cover` may be null, for none."""

    name: CollectionName = ""
    title: Title = ""
    description: Description = ""
    cover: OtherKey = None

    def given(self, name: str) -> str | None:
        """Return the text of the field `name`, or None if it was left out."""
        return getattr(self, name) if name in self.model_fields_set else None

    @property
    def chosen_cover(self) -> domain.Chosen | None:
        """The cover that was asked for; None if it stays."""
        return domain.Chosen(self.cover) if "cover" in self.model_fields_set else None


class Membership(_Body):
    """Putting an image into a collection, `after` another one; null is before all others."""

    after: OtherKey = None

    @property
    def chosen_place(self) -> domain.Chosen | None:
        """Where the image shall go; None if that does not matter."""
        return domain.Chosen(self.after) if "after" in self.model_fields_set else None


class Batch(_Body):
    """Several operations, one after the other."""

    operations: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=MOST_OPERATIONS)]


class NewMembers(_Body):
    """Putting several images into a collection."""

    s3_keys: Annotated[list[str], Field(min_length=1, max_length=MOST_OPERATIONS)]


class Register(NewImage):
    """Registering an image, as one of several operations."""

    op: Literal["register"]


class OfImage(_Body):
    """An operation on the image with the key `s3_key`; with `if_match`, only if it has one of these entity tags."""

    s3_key: S3Key
    if_match: IfMatch = None


class Change(ImageChange, OfImage):
    """Changing an image, as one of several operations."""

    op: Literal["change"]


class Delete(OfImage):
    """Deleting an image, and the original with `original`, as one of several operations."""

    op: Literal["delete"]
    original: Yes = False


class Add(Membership, OfImage):
    """Putting an image into a collection, or moving it there, as one of several operations."""

    op: Literal["add"]
    collection: CollectionName


class Remove(OfImage):
    """Taking an image out of a collection, as one of several operations."""

    op: Literal["remove"]
    collection: CollectionName


Operation = Register | Change | Delete | Add | Remove


class SignedPut(_Body):
    """Asking for a signed PUT of a file of `bytes` bytes; `content_type` is by default that of the name's extension."""

    filename: Filename
    bytes: Size
    content_type: ContentType | None = None


class Upload(_Body):
    """An upload that the gateway has taken; with `s3_key`, which it has put there.

    Of a field that the client did not send there is none, since an empty name of a collection is refused.
    """

    filename: str
    content_type: ContentType
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]
    title: Title = ""
    description: Description = ""
    collection: CollectionName | None = None
    s3_key: S3Key | None = None

    @property
    def asked(self) -> bytes:
        """What a repeat of the client's request has as well."""
        return self.model_dump_json(exclude={"s3_key"}).encode()
