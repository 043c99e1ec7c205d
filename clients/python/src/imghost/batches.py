"""Batches: up to 500 operations in one request, and the result of each.

A field that is None, or `UNCHANGED`, is not sent.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from imghost.models import UNCHANGED, Image, Unchanged
from imghost.problems import NotBegunError, ProblemError, problem_of


@dataclass(frozen=True, slots=True)
class RegisterOperation:
    """Registers a picture, as `Client.create_image`."""

    s3_key: str
    s3_bucket: str | None = None
    title: str | None = None
    description: str | None = None
    op: Literal["register"] = field(default="register", init=False)


@dataclass(frozen=True, slots=True)
class ChangeOperation:
    """Changes an image, as `Client.update_image`."""

    s3_key: str
    title: str | None = None
    description: str | None = None
    reprocess: bool | None = None
    if_match: str | None = None
    op: Literal["change"] = field(default="change", init=False)


@dataclass(frozen=True, slots=True)
class DeleteOperation:
    """Deletes an image, as `Client.delete_image`. `original` is True or None."""

    s3_key: str
    if_match: str | None = None
    original: bool | None = None
    op: Literal["delete"] = field(default="delete", init=False)


@dataclass(frozen=True, slots=True)
class AddOperation:
    """Puts an image into a collection, or moves it there, as `Client.add_image_to_collection`."""

    collection: str
    s3_key: str
    after: str | Unchanged | None = UNCHANGED
    if_match: str | None = None
    op: Literal["add"] = field(default="add", init=False)


@dataclass(frozen=True, slots=True)
class RemoveOperation:
    """Takes an image out of a collection, as `Client.remove_image_from_collection`."""

    collection: str
    s3_key: str
    if_match: str | None = None
    op: Literal["remove"] = field(default="remove", init=False)


Operation = RegisterOperation | ChangeOperation | DeleteOperation | AddOperation | RemoveOperation


@dataclass(frozen=True, slots=True)
class Result:
    """What became of an operation: the image with its `etag`, if there is one to show, or the `problem`."""

    status: int
    replayed: bool = False
    etag: str | None = None
    image: Image | None = None
    problem: ProblemError | None = None


@dataclass(frozen=True, slots=True)
class ResultDocument:
    """A result as the service shows it."""

    status: int
    replayed: bool = False
    etag: str | None = None
    image: Image | None = None
    problem: dict[str, Any] | None = None

    def result(self) -> Result:
        """Return the result, with the problem as the exception that it would have been."""
        problem = None if self.problem is None else problem_of(self.status, self.problem)
        return Result(self.status, self.replayed, self.etag, self.image, problem)


@dataclass(frozen=True, slots=True)
class ResultsDocument:
    """The answer to a batch."""

    results: list[ResultDocument]


def document(operation: Operation) -> dict[str, Any]:
    """Return an operation as it is sent."""
    given = {each.name: getattr(operation, each.name) for each in fields(operation)}
    may_be_null = {"after"}
    return {
        name: value
        for name, value in given.items()
        if not isinstance(value, Unchanged) and (value is not None or name in may_be_null)
    }


def was_not_begun(result: Result | None) -> bool:
    """Return whether an operation is to be sent again: the service had no time for it, and changed nothing."""
    return result is None or isinstance(result.problem, NotBegunError)
