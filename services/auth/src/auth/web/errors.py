"""Which status answers which error of auth."""

from auth import domain

STATUSES: dict[type[Exception], int] = {
    domain.UnauthorizedError: 401,
    domain.PasswordRequiredError: 403,
    domain.WrongPasswordError: 403,
    domain.ApiKeyNotFoundError: 404,
    domain.UserNotFoundError: 404,
    domain.TooManyAttemptsError: 429,
    domain.OverloadedError: 503,
}
