"""Another key in the place of the one that signs tokens, without a request that fails for it.

First everybody learns the new key, then it signs, and when the last token of the former key has expired nobody accepts
that any more. A process may die anywhere in between: the files are whole, and the next rotation retires what is left.
"""

import time
from collections.abc import Callable
from pathlib import Path

from auth.errors import RotationUnderWayError, UnacceptableError
from chassis import token_keys


def rotate(private: Path, public: Path, spread_s: float, keep_s: float, tell: Callable[[str], None]) -> str:
    """Make a new key, have it sign, and retire the former ones; return the id of the new one.

    `private` and `public` are the files of the keys that auth and the other services read: they have `spread_s` to read
    the new key before it signs, and accept tokens of the former ones for `keep_s` after that. `tell` is told of each
    step in a sentence. Raise `RotationUnderWayError`; `UnacceptableError` unless `public` is the file that belongs to
    `private`; `OSError`, `ValueError` or `TypeError` if a file cannot be read.
    """
    private, public = private.resolve(), public.resolve()  # a link stays a link
    with token_keys.locked(private) as is_ours:
        if not is_ours:
            raise RotationUnderWayError
        former = token_keys.private_keys(private.read_text())
        _require_public(public, {token_keys.key_id(key.public_key()) for key in former})
        new = token_keys.new_key()
        new_id = token_keys.key_id(new.public_key())
        token_keys.write_public(public, [key.public_key() for key in (*former, new)])
        token_keys.write_private(private, [*former, new])
        tell(f"the new key {new_id} is known; it signs in {spread_s:g} s")
        time.sleep(spread_s)
        token_keys.write_private(private, [new, *former])
        tell(f"the new key signs; the former one is accepted for another {keep_s:g} s")
        time.sleep(keep_s)
        token_keys.write_private(private, [new])
        token_keys.write_public(public, [new.public_key()])
        return new_id


def _require_public(public: Path, needed: set[str]) -> None:
    """Raise `UnacceptableError` unless `public` has the keys with the ids `needed`, and so is what the others read."""
    try:
        known = set(token_keys.public_keys(public.read_text()))
    except (ValueError, TypeError):
        known = set()
    if not needed <= known:
        raise UnacceptableError(f"{public} is not the file of public keys that belongs to the private one.")
