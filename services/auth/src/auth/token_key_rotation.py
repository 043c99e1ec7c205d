"""Another key in the place of the one that signs tokens, without a request that fails for it.

First everybody learns the new key, then it signs, and when the last token of the former key has expired nobody accepts
that any more. A process may die anywhere in between: what was written is whole, and the next rotation retires what is
left.
"""

import time
from collections.abc import Callable

from auth.errors import RotationUnderWayError, UnacceptableError
from chassis import token_keys
from chassis.token_keys import KeyPair


def rotate(pair: KeyPair, spread_s: float, keep_s: float, tell: Callable[[str], None]) -> str:
    """Make a new key, have it sign, and retire the former ones; return the id of the new one.

    `pair` is what auth and the other services read: they have `spread_s` to read the new key before it signs, and
    accept tokens of the former ones for `keep_s` after that. `tell` is told of each step in a sentence. Raise
    `RotationUnderWayError`; `UnacceptableError` if there is no private key, or the public ones do not belong to it;
    `OSError`, `ValueError` or `TypeError` if the keys cannot be read.
    """
    with pair.locked() as is_ours:
        if not is_ours:
            raise RotationUnderWayError
        former = token_keys.private_keys(_private(pair))
        _require_public(pair, {token_keys.key_id(key.public_key()) for key in former})
        new = token_keys.new_key()
        new_id = token_keys.key_id(new.public_key())
        pair.write_public([key.public_key() for key in (*former, new)])
        pair.write_private([*former, new])
        tell(f"the new key {new_id} is known; it signs in {spread_s:g} s")
        time.sleep(spread_s)
        pair.write_private([new, *former])
        tell(f"the new key signs; the former one is accepted for another {keep_s:g} s")
        time.sleep(keep_s)
        pair.write_private([new])
        pair.write_public([new.public_key()])
        return new_id


def _private(pair: KeyPair) -> str:
    text = pair.private_text()
    if text is None:
        raise UnacceptableError(f"There is no key at {pair.private_name}; see auth create-token-key.")
    return text


def _require_public(pair: KeyPair, needed: set[str]) -> None:
    """Raise `UnacceptableError` unless the public keys include those with the ids `needed`, as what the others read."""
    try:
        known = set(token_keys.public_keys(pair.public_text() or ""))
    except (ValueError, TypeError):
        known = set()
    if not needed <= known:
        raise UnacceptableError(f"{pair.public_name} has not the public keys that belong to the private one.")
