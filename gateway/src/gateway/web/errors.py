"""Which status answers which error of the gateway."""

from gateway import errors

STATUSES: dict[type[Exception], int] = {
    errors.CrossSiteRequestError: 403,
    errors.MalformedPathError: 400,
    errors.BodyCutShortError: 400,
    errors.BodyTooSlowError: 408,
    errors.BodyTooLargeError: 413,
    errors.FormatNotOfferedError: 501,
    errors.MalformedMultipartError: 400,
    errors.NoMultipartError: 415,
    errors.UnsupportedFormatError: 415,
    errors.OverloadedError: 503,
    errors.PasswordsBusyError: 503,
}
