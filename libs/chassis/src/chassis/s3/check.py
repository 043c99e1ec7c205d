"""Checks of an S3 server for operators: what the service needs, whether it works, and what to change if not."""

import functools
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Literal

import click
import urllib3
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from chassis.commands import tell
from chassis.s3 import client as s3

# "limited": the service works without it, with a drawback that the advice names.
Verdict = Literal["yes", "limited", "no", "not tried"]

EVERYBODY_READS = "let everybody read objects: a bucket policy that allows s3:GetObject to *"
_COLOURS = {"yes": "green", "limited": "yellow", "no": "red", "not tried": "white"}
_TIMEOUT = urllib3.Timeout(connect=5, read=15)


@dataclass(frozen=True)
class Check:
    """One thing that the service needs, whether it works, and what to do about it."""

    needs: str
    verdict: Verdict
    advice: str = ""


class CannotGoOnError(Exception):
    """All further checks would fail as well; `check` says why."""

    def __init__(self, check: Check) -> None:
        super().__init__(check.needs)
        self.check = check


def tried(needs: str, work: Callable[[], Check | None], advice: str) -> Check:
    """Return the check that `work` returns, or "yes" if it returns none.

    If S3 refuses `work`, the check is "no", with `advice`. Raise `CannotGoOnError` if S3 would refuse everything else.
    """
    try:
        return work() or Check(needs, "yes")
    except ClientError as fault:
        code = s3.code_of(fault)
        if code in s3.REFUSALS:
            raise CannotGoOnError(Check(needs, "no", f"{code}: {s3.REFUSALS[code]}")) from fault
        return Check(needs, "no", f"{code}: {advice}")
    except (BotoCoreError, HTTPError, OSError) as fault:
        raise CannotGoOnError(Check(needs, "no", f"S3 does not answer: {fault}")) from fault


def fetch(method: str, url: str, **options: object) -> urllib3.BaseHTTPResponse:
    """Send a request without credentials, as a browser does, with neither retries nor redirects."""
    return _pool().request(method, url, redirect=False, retries=False, timeout=_TIMEOUT, **options)  # type: ignore[arg-type]


def read_by_everybody(url: str) -> Check:
    """Check that the object at `url` can be read without credentials."""
    needs = "read by everybody"
    try:
        answer = fetch("GET", url)
    except HTTPError as fault:
        return Check(needs, "no", f"{url} cannot be reached: {fault}")
    return Check(needs, "yes") if answer.status == 200 else Check(needs, "no", f"{answer.status}: {EVERYBODY_READS}")  # noqa: PLR2004


def show(checks: Iterable[Check], *, as_json: bool = False) -> bool:
    """Print each of `checks` as soon as it is made, or all as JSON; return True if all are "yes" or "limited"."""
    made = []
    for check in checks:
        made.append(check)
        if not as_json:
            verdict = click.style(f"{check.verdict:<9}", fg=_COLOURS[check.verdict])
            click.echo(f"{check.needs:<42}  {verdict}  {check.advice}".rstrip())
    all_passed = not any(check.verdict in {"no", "not tried"} for check in made)
    tell({"passed": all_passed, "checks": [asdict(check) for check in made]}, as_json=as_json)
    return all_passed


@functools.cache
def _pool() -> urllib3.PoolManager:
    return urllib3.PoolManager()
