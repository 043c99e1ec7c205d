"""The HTTP status of each error of auth."""

from auth import errors

STATUSES: dict[type[Exception], int] = {
    errors.UnauthorizedError: 401,
    errors.QuotaExceededError: 403,
    errors.TooManyGenerationsError: 403,
    errors.RotationRefusedError: 403,
    errors.NotADescendantError: 403,
    errors.SecretReplacedError: 403,
    errors.PasswordRequiredError: 403,
    errors.WrongPasswordError: 403,
    errors.UserDisabledError: 403,
    errors.ApiKeyNotFoundError: 404,
    errors.UserNotFoundError: 404,
    errors.UnacceptableFieldError: 422,
    errors.TooManyAttemptsError: 429,
    errors.RateLimitedError: 429,
    errors.OverloadedError: 503,
}
