"""Who may call the operations of auth: the scopes that each of them needs."""

from flask import request

from auth.domain import SCOPES
from chassis.tokens import Principal
from chassis.web.access import OPEN, Rule, Rules


def _is_the_key(caller: Principal) -> bool:
    """Return whether the caller used the very API key that the current request names."""
    return caller.key_id is not None and caller.key_id == request.args.get("id")


_KEYS = Rule(("keys",))
# Whoever finds a key, and a program at its end, can see what it is and revoke it.
_KEYS_OR_ITSELF = Rule(("keys",), _is_the_key)

RULES: Rules = {
    "POST /tokens": OPEN,
    "POST /tokens/together": OPEN,
    "GET /api-keys": _KEYS,
    "POST /api-keys": _KEYS,
    "GET /api-key": _KEYS_OR_ITSELF,
    "PUT /api-key": _KEYS,
    "DELETE /api-key": _KEYS_OR_ITSELF,
    "POST /api-key/rotation": _KEYS,
    "GET /user": Rule(("read",)),
    # No scope is enough: an API key is told that it takes the password.
    "PUT /user": Rule(SCOPES),
}
