"""Hooks of schemathesis: it must not revoke the API keys that it works with, nor repeat its requests by accident."""

import itertools
import os
from typing import Any

import schemathesis
from schemathesis import Case, HookContext

from chassis.idempotency import HEADER, LONGEST_KEY, MalformedKeyError, read_key

OWN_IDS = set(os.environ["OWN_KEY_IDS"].split())
_numbers = itertools.count()


@schemathesis.hook
def before_call(_context: HookContext, case: Case[Any], _kwargs: dict[str, object]) -> None:
    # Only where all headers are meant to be good: schemathesis looks at a case anew whose headers were changed.
    if case.meta is not None and case.meta.generation.mode.is_positive and HEADER in case.headers:
        case.headers[HEADER] = of_one_request(str(case.headers[HEADER]))
    if str(case.path_parameters.get("key")) in OWN_IDS:
        case.path_parameters["key"] = "no-such-key"


def of_one_request(header: str) -> str:
    """Return an idempotency key of the same form that no other request has; one that is malformed is returned as it is.

    No schema can tell a key that was used before: its request would be refused, or answered as the first one.
    """
    try:
        key = read_key(header.strip())
    except MalformedKeyError:
        return header
    number = f".{next(_numbers)}"
    unique = key[: LONGEST_KEY - len(number)] + number
    if not header.strip().startswith('"'):
        return unique
    escaped = unique.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
