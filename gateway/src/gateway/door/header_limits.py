"""Limits of request headers: what the door takes, the services get whole.

Gunicorn limits each line only. Lines of the same name become one field here, which is sent on as one line; together
they have the limit of a line.
"""

from collections.abc import Sequence

LONGEST_FIELD = 8190
LONGEST_TOGETHER = 16 * 1024


def are_exceeded(headers: Sequence[tuple[str, str]]) -> bool:
    """Return whether request headers, as (name, value), are too long: one field of them, or all together."""
    fields: dict[str, int] = {}
    for name, value in headers:
        joined = 1 if name in fields else len(f"{name}: \r\n")  # by a comma, or the beginning of a line
        fields[name] = fields.get(name, 0) + joined + len(value)
    together = sum(len(name) + len(value) for name, value in headers)
    return together > LONGEST_TOGETHER or max(fields.values(), default=0) > LONGEST_FIELD
