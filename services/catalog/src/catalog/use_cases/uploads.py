"""Uploads: prefixes that are handed out, and originals that are registered in one step with what is asked of them."""

import base64
import secrets

from catalog.adapters.store import Store
from catalog.buckets import Buckets
from catalog.domain import Image, Limits
from catalog.use_cases.admission import NO_LIMITS, admit
from catalog.use_cases.collections import own_collection
from catalog.use_cases.images import register_image
from catalog.use_cases.members import put_member
from chassis.tokens import Principal

# 16 random bytes are 26 letters and digits. Once its time is over, who guesses a prefix can register what lies there.
_PREFIX_BYTES = 16


def hand_out_prefix(store: Store, caller: Principal, limits: Limits = NO_LIMITS) -> str:
    """Return a fresh prefix for uploads; images below it can be registered by `caller` only.

    Raise `UserGoneError`, or `QuotaExceededError` if they could register no image anyway.
    """
    may_upload(store, caller, limits)
    prefix = sample_prefix(store, caller)
    store.add_upload_prefix(prefix, caller.user_id)
    return prefix


def may_upload(store: Store, caller: Principal, limits: Limits = NO_LIMITS) -> None:
    """Raise `QuotaExceededError` if the caller could register no image, or `UserGoneError`."""
    admit(store, caller)
    if limits.images or limits.bytes:
        limits.require_image(store.use(caller.user_id))


def begin_upload(store: Store, caller: Principal, collection: str | None, limits: Limits = NO_LIMITS) -> str:
    """Return a prefix as `hand_out_prefix` does, for an image that is to be put into `collection`, if that is given.

    Raise `CollectionNotFoundError`, too.
    """
    prefix = hand_out_prefix(store, caller, limits)
    if collection is not None:
        own_collection(store, caller, collection)
    return prefix


def register_upload(  # noqa: PLR0913 - the fields of one form
    store: Store,
    caller: Principal,
    buckets: Buckets,
    *,
    s3_bucket: str,
    s3_key: str,
    title: str,
    description: str,
    collection: str | None,
    limits: Limits = NO_LIMITS,
) -> Image:
    """Register an original as `register_image` does, and put it into the caller's `collection`, if that is given.

    Raise `CollectionNotFoundError`, too; then it is not registered.
    """
    image = register_image(
        store,
        caller,
        buckets,
        s3_bucket=s3_bucket,
        s3_key=s3_key,
        title=title,
        description=description,
        limits=limits,
    )
    if collection is not None:
        put_member(store, caller, collection, s3_key)
    return image


def sample_prefix(store: Store, caller: Principal) -> str:
    """Return what `hand_out_prefix` might return, without recording it. Raise `UserGoneError`."""
    admit(store, caller)
    return base64.b32encode(secrets.token_bytes(_PREFIX_BYTES)).decode().rstrip("=").lower()
