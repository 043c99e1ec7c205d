"""Where images may live: the buckets and prefixes that the operator allows, whose they are, and their public URLs."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from catalog.errors import BucketMissingError, BucketNotAllowedError, KeyNotAllowedError

AWS = "https://s3.amazonaws.com/"


@dataclass(frozen=True)
class Bucket:
    """Images may live below `prefixes`; `owners` maps a prefix to its only user; `base_url` ends in a slash."""

    base_url: str
    prefixes: tuple[str, ...]
    owners: Mapping[str, str]


@dataclass(frozen=True)
class Buckets:
    """All buckets that images may live in, by name."""

    by_name: Mapping[str, Bucket]
    default: str | None

    def choose(self, name: str | None) -> str:
        """Return `name`, or the default for None. Raise `BucketMissingError` or `BucketNotAllowedError`."""
        chosen = self.default if name is None else name
        if chosen is None:
            raise BucketMissingError
        if chosen not in self.by_name:
            raise BucketNotAllowedError
        return chosen

    def check(self, name: str, key: str, user_id: str) -> None:
        """Raise `KeyNotAllowedError` unless images of the user may live at `key` in the bucket `name`.

        The longest prefix with an owner decides; in the other allowed prefixes users trust each other.
        """
        bucket = self.by_name[name]
        owned = [prefix for prefix in bucket.owners if key.startswith(prefix)]
        if owned:
            if bucket.owners[max(owned, key=len)] != user_id:
                raise KeyNotAllowedError
        elif not key.startswith(bucket.prefixes):
            raise KeyNotAllowedError

    def url(self, name: str, key: str) -> str:
        """Return the public URL of `key`; that of a bucket which is no longer allowed is the one at AWS."""
        return self.base_url(name) + quote(key, safe="/")

    def base_url(self, name: str) -> str:
        """Return what the public URLs of a bucket begin with."""
        bucket = self.by_name.get(name)
        return bucket.base_url if bucket else aws_url(name)


def aws_url(name: str) -> str:
    """Return the base URL of a bucket for which the operator has set none."""
    return f"{AWS}{quote(name, safe='')}/"
