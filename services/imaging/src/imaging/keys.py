"""Where thumbs lie in S3."""


def thumb_key(s3_key: str, square: int) -> str:
    """Return the key of the thumb of `s3_key` for `square`: the thumb of `dir/name` lies at `dir/t512/name`."""
    folder, slash, name = s3_key.rpartition("/")
    return f"{folder}{slash}t{square}/{name}"
