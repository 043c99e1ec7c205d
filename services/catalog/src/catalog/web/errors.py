"""Which status answers which error of catalog."""

from catalog import domain

STATUSES: dict[type[Exception], int] = {
    domain.UserGoneError: 401,
    domain.ImageNotFoundError: 404,
    domain.CollectionNotFoundError: 404,
    domain.UploadsOffError: 404,
    domain.ImageExistsError: 409,
    domain.CollectionNameTakenError: 409,
    domain.BucketMissingError: 422,
    domain.KeyNotAllowedError: 422,
    domain.BucketNotAllowedError: 422,
}
