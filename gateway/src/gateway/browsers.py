"""What every answer tells browsers: to guess no type, to load and run nothing, and to tell other sites nothing."""

from collections.abc import Mapping

# The page of the API document has a policy of its own, since it consists of scripts and styles.
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
