"""The requests that auth refuses, each with the stable code that its problem document shows."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar


class AuthError(Exception):
    """A request that the rules of this service refuse; `exit_code` is the status of a command that is refused."""

    code: ClassVar[str]
    exit_code: ClassVar[int] = 1


class UnauthorizedError(AuthError):
    """Wrong credentials: one error for all, so that nobody learns whether there is such a user or key."""

    code = "unauthorized"
    headers: ClassVar[dict[str, str]] = {"WWW-Authenticate": 'Basic realm="imghost", charset="UTF-8"'}

    def __init__(self, detail: str = "The username or the password is wrong, or the API key is not valid.") -> None:
        super().__init__(detail)


class CredentialsRequiredError(UnauthorizedError):
    """The request has no credentials at all."""

    code = "credentials-required"

    def __init__(self) -> None:
        super().__init__("Send a username and password, or an API key, by HTTP Basic; or an API key as Bearer token.")


class MalformedCredentialsError(UnauthorizedError):
    """The credentials cannot be read, so there is nothing to look up; `detail` says what is wrong with them."""

    code = "malformed-credentials"


class KeyOverError(UnauthorizedError):
    """An API key, or the secret of it that was presented, is over: answered as a wrong one, counted for its user."""

    def __init__(self, user_id: str) -> None:
        super().__init__()
        self.user_id = user_id


class TooManyAttemptsError(AuthError):
    """Too many wrong passwords for an account from a source, or wrong passwords or keys from a source.

    `of_account` if there were too many for one account, which other accounts have nothing to do with.
    """

    code = "too-many-attempts"

    def __init__(self, wait_s: int, *, of_account: bool = False) -> None:
        super().__init__(f"Too many failed attempts. Try again in {wait_s} s.")
        self.headers = {"Retry-After": str(wait_s)}
        self.of_account = of_account


class RateLimitedError(AuthError):
    """The user has used up what one of their limits allows a minute; `headers` tell when to try again.

    The request counts as `count`.
    """

    code = "rate-limited"

    def __init__(self, limit_name: str, a_minute: int, count: int, wait_s: int, headers: Mapping[str, str]) -> None:
        counts = f" This request counts as {count} of them." if count > 1 else ""
        super().__init__(
            f"You may send {a_minute} {limit_name} a minute.{counts} Nothing was changed; try again in {wait_s} s."
        )
        self.headers = {**headers, "Retry-After": str(wait_s)}
        # As draft-ietf-httpapi-ratelimit-headers has it.
        self.members = {"violated-policies": [limit_name]}


class OverloadedError(AuthError):
    """More passwords to verify than this process can hash; refused soon rather than queued for long."""

    code = "service-unavailable"

    def __init__(self) -> None:
        super().__init__("Too many passwords are being verified. Try again in a moment, or use an API key.")


class UserDisabledError(AuthError):
    """The credentials are right, but the operator has disabled their user; who has wrong ones does not learn that."""

    code = "user-disabled"

    def __init__(self) -> None:
        super().__init__("This user is disabled. Ask whoever runs this service.")


class UsernameTakenError(AuthError):
    """Another user has the name."""

    code = "username-taken"
    exit_code = 4

    def __init__(self, username: str) -> None:
        super().__init__(f"There is a user {username} already.")


class UserNotFoundError(AuthError):
    """There is no such user, or it is not the caller."""

    code = "user-not-found"
    exit_code = 3

    def __init__(self) -> None:
        super().__init__("There is no such user.")


class ApiKeyNotFoundError(AuthError):
    """There is no such API key, or it is another user's."""

    code = "api-key-not-found"
    exit_code = 3

    def __init__(self) -> None:
        super().__init__("There is no such API key.")


class TooManyGenerationsError(AuthError):
    """The API key of the caller was made with a key that was made with a key, and so on: it makes no others."""

    code = "too-many-generations"

    def __init__(self, most: int) -> None:
        super().__init__(f"Keys that make keys that make keys: there are {most} generations at most.")


class QuotaExceededError(AuthError):
    """The user has as many API keys as the operator allows."""

    code = "quota-exceeded"

    def __init__(self, limit: int, use: int) -> None:
        super().__init__(f"You have {use} API keys, and may have {limit}. Revoke some to make others.")
        self.members = {"quota": "api_keys", "limit": limit, "use": use}


class RotationRefusedError(AuthError):
    """The caller's API key is to rotate one that was not made with it, and would get the rights of that one."""

    code = "rotation-refused"

    def __init__(self) -> None:
        super().__init__("An API key rotates itself and keys that were made with it; for others, use the password.")


class NotADescendantError(AuthError):
    """The caller's API key was made with another one, and is to change a key that was not made with it."""

    code = "not-a-descendant"

    def __init__(self) -> None:
        super().__init__(
            "An API key that was made with another one changes and revokes itself and keys that were made with it; for "
            "others, use the password, or a key that was made with the password."
        )


class SecretReplacedError(AuthError):
    """The secret of the caller's API key was replaced; the former one is accepted for a while, but not for this."""

    code = "secret-replaced"

    def __init__(self, ends: datetime) -> None:
        super().__init__(
            "This API key was rotated and has a new secret. The former one, which was sent, is accepted until "
            f"{ends.isoformat()}, but neither makes nor rotates keys. If the new one was lost, use the password, or "
            "the key that this one was made with."
        )


class PasswordRequiredError(AuthError):
    """The caller presented an API key for what only the password allows."""

    code = "password-required"

    def __init__(self) -> None:
        super().__init__("An API key may not change the password; send the username and password.")


class WrongPasswordError(AuthError):
    """The current password, which changing the password takes, is wrong."""

    code = "wrong-password"

    def __init__(self) -> None:
        super().__init__("The current password is wrong.")


class UnacceptableFieldError(AuthError):
    """A field of a request is wrong as things are, whatever its form; `field` and `field_code` say which and why."""

    code = "invalid-fields"

    def __init__(self, field: str, field_code: str, detail: str) -> None:
        super().__init__(detail)
        self.field, self.field_code = field, field_code


class RotationUnderWayError(AuthError):
    """The key that signs tokens is being rotated by somebody else."""

    code = "rotation-under-way"

    def __init__(self) -> None:
        super().__init__("The key is being rotated already. Wait until that is done.")


class AlreadyDisabledError(AuthError):
    """The user whom an operator wants to disable is disabled."""

    code = "already-disabled"
    exit_code = 5

    def __init__(self, username: str) -> None:
        super().__init__(f"The user {username} is disabled already.")


class NotDisabledError(AuthError):
    """The user whom an operator wants to enable is not disabled."""

    code = "not-disabled"
    exit_code = 5

    def __init__(self, username: str) -> None:
        super().__init__(f"The user {username} is not disabled.")


class UnacceptableError(AuthError):
    """Input of an operator that breaks a rule."""

    code = "unacceptable"
