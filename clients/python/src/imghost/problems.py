"""What the service refuses or fails to do: its problem documents as exceptions, a class for each `code` to react to.

Codes without a class of their own, which tell of a fault of this package, are a plain `ProblemError`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from imghost.errors import ImghostError


@dataclass(frozen=True, slots=True)
class FieldError:
    """One fault of one field (`pointer` into the body) or of one query parameter (`parameter`)."""

    code: str
    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ProblemError(ImghostError):
    """The service refused the request, or failed.

    Build on the class, or on `code`; `detail` is for people. `retry_after_s` says after how many seconds to try
    again, if the service told it, and `location` where what it tells of is. `errors` names fields, `members` has
    everything that the document says.
    """

    CODE: ClassVar[str] = ""

    def __init__(
        self,
        status: int,
        members: Mapping[str, Any],
        *,
        retry_after_s: float | None = None,
        location: str | None = None,
    ) -> None:
        self.status = status
        self.members = dict(members)
        self.code = str(members.get("code", ""))
        self.detail = str(members.get("detail", ""))
        self.request_id = str(members.get("request_id", ""))
        self.retry_after_s = retry_after_s
        self.location = location
        self.errors = tuple(_field_errors(members.get("errors", ())))
        super().__init__(self.detail)

    def __str__(self) -> str:
        """Return the detail, with what is wrong with each field."""
        faults = [f"{fault.pointer or fault.parameter or 'body'}: {fault.detail}" for fault in self.errors]
        return " ".join([self.detail, *faults])


def _field_errors(documents: Any) -> Iterator[FieldError]:
    for each in documents:
        yield FieldError(each["code"], each["detail"], each.get("pointer"), each.get("parameter"))


class UnexpectedAnswerError(ProblemError):
    """The answer is not one of imghost: of a proxy, perhaps, or of another service at this address."""

    def __init__(self, status: int, detail: str, request_id: str) -> None:
        super().__init__(status, {"code": "unexpected-answer", "detail": detail, "request_id": request_id})


# --- credentials and rights ------------------------------------------------------------------------------------------


class CredentialsError(ProblemError):
    """The credentials are not accepted."""


class UnauthorizedError(CredentialsError):
    """The username, the password or the API key is wrong, expired or revoked."""

    CODE = "unauthorized"


class CredentialsRequiredError(CredentialsError):
    """There were no credentials, and this is not public."""

    CODE = "credentials-required"


class MalformedCredentialsError(CredentialsError):
    """The credentials cannot be read."""

    CODE = "malformed-credentials"


class UserDisabledError(CredentialsError):
    """The operator has disabled the user."""

    CODE = "user-disabled"


class ForbiddenError(ProblemError):
    """The credentials are good, but not for this."""


class InsufficientScopeError(ForbiddenError):
    """The API key lacks the scope that this takes."""

    CODE = "insufficient-scope"


class PasswordRequiredError(ForbiddenError):
    """An API key does not do for this, but the password."""

    CODE = "password-required"


class WrongPasswordError(ForbiddenError):
    """The current password, which a change of it takes, is wrong."""

    CODE = "wrong-password"


class QuotaExceededError(ForbiddenError):
    """There is as much of something as you may have."""

    CODE = "quota-exceeded"


class TooManyGenerationsError(ForbiddenError):
    """A key that was made by a key, and so on, may not go on so."""

    CODE = "too-many-generations"


class RotationRefusedError(ForbiddenError):
    """The credentials may not rotate that key."""

    CODE = "rotation-refused"


class NotADescendantError(ForbiddenError):
    """The API key changes only itself and keys that were made with it."""

    CODE = "not-a-descendant"


class SecretReplacedError(ForbiddenError):
    """The secret is one from before a rotation, and makes or rotates no key."""

    CODE = "secret-replaced"


# --- what is not there, or there already ------------------------------------------------------------------------------


class NotFoundError(ProblemError):
    """What the request names is not there, or is another user's."""


class ImageNotFoundError(NotFoundError):
    """There is no such image."""

    CODE = "image-not-found"


class ImageTakenDownError(NotFoundError):
    """The operator has taken the image down."""

    CODE = "image-taken-down"


class CollectionNotFoundError(NotFoundError):
    """There is no such collection."""

    CODE = "collection-not-found"


class ApiKeyNotFoundError(NotFoundError):
    """There is no such API key."""

    CODE = "api-key-not-found"


class UserNotFoundError(NotFoundError):
    """There is no such user, or it is not you."""

    CODE = "user-not-found"


class UploadsOffError(NotFoundError):
    """The operator has set no bucket to upload to."""

    CODE = "uploads-off"


class ConflictError(ProblemError):
    """Something is there already."""


class ImageExistsError(ConflictError):
    """An image with this key is registered already, by you or by another user."""

    CODE = "image-exists"


class KeyBlockedError(ConflictError):
    """The operator has taken down what was at this key."""

    CODE = "key-blocked"


class OriginalDeletedError(ConflictError):
    """The original at this key is being deleted, or was within a day: upload the file again."""

    CODE = "original-deleted"


class OriginalNotUploadedError(ConflictError):
    """The original was to be deleted, but you have not uploaded it through the service."""

    CODE = "original-not-uploaded"


class CollectionNameTakenError(ConflictError):
    """A collection, yours or another user's, has this name."""

    CODE = "collection-name-taken"


class IdempotencyKeyInFlightError(ConflictError):
    """The same request is being carried out."""

    CODE = "idempotency-key-in-flight"


class SecretNotKeptError(ConflictError):
    """The key was made by a request whose answer was lost; `location` names it, and its secret is shown to nobody."""

    CODE = "secret-not-kept"


class StaleError(ProblemError):
    """What was to be changed has been changed since its `etag` was read."""

    CODE = "stale"


# --- what is not acceptable -------------------------------------------------------------------------------------------


class InvalidError(ProblemError):
    """The request cannot be carried out as it is; `errors` names the fields, if it is they."""


class InvalidFieldsError(InvalidError):
    """Fields or query parameters are not acceptable."""

    CODE = "invalid-fields"


class UnsupportedFormatError(InvalidError):
    """The file does not begin like a picture of a format that is taken."""

    CODE = "unsupported-format"


class BucketNotAllowedError(InvalidError):
    """The operator has not allowed this bucket."""

    CODE = "bucket-not-allowed"


class KeyNotAllowedError(InvalidError):
    """You may not register a key with this prefix."""

    CODE = "key-not-allowed"


class NotAMemberError(InvalidError):
    """The image is not in the collection."""

    CODE = "not-a-member"


class IdempotencyKeyReusedError(InvalidError):
    """Another request was sent with this idempotency key."""

    CODE = "idempotency-key-reused"


# --- what may go better later -----------------------------------------------------------------------------------------


class TooManyError(ProblemError):
    """Too much at once; wait for `retry_after_s`."""


class TooManyAttemptsError(TooManyError):
    """There were too many failed attempts to log in."""

    CODE = "too-many-attempts"


class RateLimitedError(TooManyError):
    """You have sent as many requests as you may in a minute."""

    CODE = "rate-limited"


class TooManyIdempotencyKeysError(TooManyError):
    """The service keeps no more answers for your idempotency keys."""

    CODE = "too-many-idempotency-keys"


class UnavailableError(ProblemError):
    """A part of the service cannot be reached."""


class ServiceUnavailableError(UnavailableError):
    """A part of the service cannot be reached. Nothing was changed."""

    CODE = "service-unavailable"


class NotBegunError(UnavailableError):
    """An operation of a batch was not begun. Nothing was changed."""

    CODE = "not-begun"


class OutcomeUnknownError(UnavailableError):
    """The answer was lost within the service, and the change may have been made."""

    CODE = "outcome-unknown"


class InternalError(ProblemError):
    """The service has failed; its logs know `request_id`."""

    CODE = "internal-error"


def _subclasses(of: type[ProblemError]) -> Iterator[type[ProblemError]]:
    for each in of.__subclasses__():
        yield each
        yield from _subclasses(each)


BY_CODE = {each.CODE: each for each in _subclasses(ProblemError) if each.CODE}


def problem_of(
    status: int, members: Mapping[str, Any], *, retry_after_s: float | None = None, location: str | None = None
) -> ProblemError:
    """Return the exception for a problem document."""
    kind = BY_CODE.get(str(members.get("code")), ProblemError)
    return kind(status, members, retry_after_s=retry_after_s, location=location)
