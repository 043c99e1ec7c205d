"""What catalog refuses. Each error has a stable code, which clients may switch on; `web.errors` gives its status."""

from collections.abc import Sequence
from typing import ClassVar


class CatalogError(Exception):
    """A request that the rules of this service refuse; `exit_code` is the status of a command that is refused."""

    code: ClassVar[str]
    exit_code: ClassVar[int] = 1


class StorageError(Exception):
    """S3 does not answer, or refuses: what is asked of it may work later."""


# --- images and collections ---


class ImageNotFoundError(CatalogError):
    """There is no image of this key, or it is another user's."""

    code = "image-not-found"

    def __init__(self) -> None:
        super().__init__("There is no such image.")


class CollectionNotFoundError(CatalogError):
    """There is no collection of this name, or it is another user's."""

    code = "collection-not-found"
    exit_code = 3

    def __init__(self) -> None:
        super().__init__("There is no such collection.")


class ImageTakenDownError(CatalogError):
    """The operator has taken the image down."""

    code = "image-taken-down"

    def __init__(self) -> None:
        super().__init__("This image was taken down.")


class KeyBlockedError(CatalogError):
    """The operator has taken down what was at the key, and no image may be there until that is undone."""

    code = "key-blocked"

    def __init__(self) -> None:
        super().__init__("The operator has taken down what was at this s3_key.")


class ImageExistsError(CatalogError):
    """An image of this service, perhaps of another user, has the key."""

    code = "image-exists"

    def __init__(self) -> None:
        super().__init__("This s3_key is registered already.")


class OriginalDeletedError(CatalogError):
    """The original at the key is deleted because its owner asked for it, so no image may be there for a while."""

    code = "original-deleted"

    def __init__(self) -> None:
        super().__init__("The original at this s3_key is being deleted, as was asked for. Upload the file again.")


class OriginalNotUploadedError(CatalogError):
    """An original is to be deleted that its owner has not uploaded through this service."""

    code = "original-not-uploaded"

    def __init__(self) -> None:
        super().__init__("The original was not uploaded through this service, which does not delete it.")


class CollectionNameTakenError(CatalogError):
    """Another collection of this service, perhaps of another user, has the name."""

    code = "collection-name-taken"

    def __init__(self) -> None:
        super().__init__("This name is taken; names are unique over all users.")


class NotAMemberError(CatalogError):
    """An image was named as one of a collection, which it is not."""

    code = "not-a-member"

    def __init__(self, field: str) -> None:
        super().__init__("This image is not in the collection.")
        self.field = field


class UserGoneError(CatalogError):
    """The caller was deleted since their token was signed."""

    code = "unauthorized"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="imghost", charset="UTF-8"'}

    def __init__(self) -> None:
        super().__init__("This user is gone.")


class QuotaExceededError(CatalogError):
    """The user has as much of something as the operator allows."""

    code = "quota-exceeded"

    def __init__(self, quota: str, limit: int, use: int) -> None:
        super().__init__(f"You have {use} {quota}, and may have {limit}. Delete some to make others.")
        self.members = {"quota": quota, "limit": limit, "use": use}


# --- several operations in one request ---


class TooManyBatchesError(CatalogError):
    """As many batches are being carried out as may be, so that there are threads left for other requests."""

    code = "service-unavailable"

    def __init__(self) -> None:
        super().__init__("Several batches are being carried out. Nothing was changed; try again in a moment.")


class NotBegunError(CatalogError):
    """An operation of a batch that was not begun: there was no time for it, no room for its answer, or an outage."""

    code = "not-begun"

    def __init__(self) -> None:
        super().__init__("The batch has ended before this operation was begun. Nothing was changed; send it again.")


# --- where images may live ---


class UnacceptableKeyError(CatalogError):
    """An S3 key that the contract refuses."""

    code = "invalid-s3-key"


class BucketNotAllowedError(CatalogError):
    """A bucket that the operator has not allowed."""

    code = "bucket-not-allowed"
    field = "s3_bucket"

    def __init__(self) -> None:
        super().__init__("Images may not live in this bucket.")


class BucketMissingError(CatalogError):
    """No bucket was given, and the operator has set no default."""

    code = "invalid-fields"
    field = "s3_bucket"

    def __init__(self) -> None:
        super().__init__("Required here: the operator has set no default bucket.")


class KeyNotAllowedError(CatalogError):
    """A key under a prefix that is another user's, or that the operator has not allowed."""

    code = "key-not-allowed"
    field = "s3_key"

    def __init__(self) -> None:
        super().__init__("Your images may not live under this prefix.")


class UploadsOffError(CatalogError):
    """The operator has set no default bucket or no credential to sign uploads with."""

    code = "uploads-off"

    def __init__(self) -> None:
        super().__init__("This installation takes no uploads: the operator has set no bucket or credential for them.")


# --- what operators ask for ---


class DeadLetterNotFoundError(CatalogError):
    """There is no dead letter of this number."""

    code = "dead-letter-not-found"
    exit_code = 3

    def __init__(self, dead_letter_id: int) -> None:
        super().__init__(f"There is no dead letter {dead_letter_id}; see: catalog dead-letters list")


class NotReplayableError(CatalogError):
    """A dead letter that cannot be replayed: it is not one of imghost's messages, or its image is gone."""

    code = "not-replayable"


class ImagesNotFoundError(CatalogError):
    """Keys were selected that no image has."""

    code = "image-not-found"
    exit_code = 3

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__(f"No image has the key {', '.join(keys)}.")


class NotTakenDownError(CatalogError):
    """A key that is to be free again is not blocked."""

    code = "not-taken-down"
    exit_code = 3

    def __init__(self, s3_key: str) -> None:
        super().__init__(f"Nothing is taken down at {s3_key}.")


class RunNotFoundError(CatalogError):
    """There is no such run, or none that is unfinished."""

    code = "run-not-found"
    exit_code = 3

    def __init__(self, run_id: int | None) -> None:
        super().__init__("There is no unfinished run." if run_id is None else f"There is no run {run_id}.")


class RunFinishedError(CatalogError):
    """The run has queued all of its images."""

    code = "run-finished"
    exit_code = 5

    def __init__(self, run_id: int) -> None:
        super().__init__(f"Run {run_id} is finished.")


class NotACollectionNameError(CatalogError):
    """A text that cannot be the name of a collection."""

    code = "invalid-fields"
    exit_code = 2

    def __init__(self, name: str) -> None:
        super().__init__(f"{name!r} cannot be the name of a collection: use 1 to 100 of A-Z, a-z, 0-9, _ and -.")
