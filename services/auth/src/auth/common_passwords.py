"""Passwords that everybody tries first: the most common ones of the world, and the words of this product."""

import re
from functools import cache
from importlib.resources import files

# Passwords that are one of these, with nothing but digits and punctuation around it, are guessed here only.
OF_THIS_PRODUCT = frozenset({"imghost"})
_AROUND = re.compile(r"^[\W\d_]+|[\W\d_]+$")


def is_common(password: str) -> bool:
    """Return whether `password` is one of the most common ones or of this product, in whatever case."""
    folded = password.casefold()
    return folded in _listed() or _AROUND.sub("", folded) in OF_THIS_PRODUCT


@cache
def _listed() -> frozenset[str]:
    text = files("auth").joinpath("common_passwords.txt").read_text(encoding="utf-8")
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))
