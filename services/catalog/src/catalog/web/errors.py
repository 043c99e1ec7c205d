"""Which status answers which error of catalog."""

from catalog import errors

STATUSES: dict[type[Exception], int] = {
    errors.UserGoneError: 401,
    errors.QuotaExceededError: 403,
    errors.ImageNotFoundError: 404,
    errors.CollectionNotFoundError: 404,
    errors.UploadsOffError: 404,
    errors.ImageExistsError: 409,
    errors.KeyBlockedError: 409,
    errors.OriginalDeletedError: 409,
    errors.OriginalNotUploadedError: 409,
    errors.CollectionNameTakenError: 409,
    errors.ImageTakenDownError: 410,
    errors.BucketMissingError: 422,
    errors.NotAMemberError: 422,
    errors.KeyNotAllowedError: 422,
    errors.BucketNotAllowedError: 422,
    errors.TooManyBatchesError: 503,
    errors.NotBegunError: 503,
}
