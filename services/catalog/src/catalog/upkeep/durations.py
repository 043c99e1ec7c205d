"""Durations as an operator writes them: 90s, 15m, 1h, 2d."""

import re
from datetime import timedelta

import click

_WRITTEN = re.compile(r"([0-9]{1,5})([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Duration(click.ParamType[timedelta]):
    """The value of an option that takes a duration."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return `value` as a duration; fail unless it is a number with a unit."""
        if isinstance(value, timedelta):
            return value
        written = _WRITTEN.fullmatch(str(value))
        if written is None:
            self.fail(f"{value!r} is not a duration such as 90s, 15m, 1h or 2d", param, ctx)
        return timedelta(**{_UNITS[written[2]]: int(written[1])})
