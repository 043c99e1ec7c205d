"""Which passwords auth is asked about, and when."""

import base64
import time
from collections.abc import Iterator
from contextlib import ExitStack

import gevent
import pytest

from auth import keys
from gateway import password_checks
from gateway.errors import PasswordsBusyError
from gateway.password_checks import OTHERS_QUEUE, PasswordChecks

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


def basic(username: str, password: str = "guessed") -> str:  # noqa: S107
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture
def checks() -> PasswordChecks:
    return PasswordChecks(2)


@pytest.fixture
def busy(checks: PasswordChecks) -> Iterator[ExitStack]:
    """Two guesses from HERE, which are all that may be checked at a time."""
    with ExitStack() as guesses:
        for number in range(2):
            guesses.enter_context(checks.turn(basic(f"guess{number}"), HERE))
        yield guesses


def asks(checks: PasswordChecks, authorization: str, source: str) -> bool:
    """Return whether auth is asked about `authorization`."""
    try:
        with checks.turn(authorization, source):
            return True
    except PasswordsBusyError:
        return False


@pytest.mark.usefixtures("busy")
@pytest.mark.parametrize(
    "authorization", [f"Bearer {keys.new_key()}", basic("x", keys.new_key()), "Basic !!!", "Digest x", ""]
)
def test_what_needs_no_hash_never_waits(checks: PasswordChecks, authorization: str) -> None:
    assert asks(checks, authorization, HERE)


def test_password_that_was_right_a_moment_ago_never_waits(checks: PasswordChecks) -> None:
    checks.note(basic("anna"), HERE, 200)
    with checks.turn(basic("a"), HERE), checks.turn(basic("b"), HERE):
        assert asks(checks, basic("anna"), ELSEWHERE)
        assert not asks(checks, basic("anna", "another one"), HERE)


@pytest.mark.usefixtures("busy")
def test_source_that_sends_several_guesses_is_refused_soon(checks: PasswordChecks) -> None:
    began = time.monotonic()
    assert not asks(checks, basic("guess"), HERE)
    assert time.monotonic() - began < 0.1


def test_source_without_failures_gets_the_next_turn(checks: PasswordChecks, busy: ExitStack) -> None:
    waiting = [gevent.spawn(asks, checks, basic(f"waiting{number}"), HERE) for number in range(3)]
    gevent.sleep(0)
    first = gevent.spawn(asks, checks, basic("anna"), ELSEWHERE)
    gevent.sleep(0)
    order: list[str] = []
    for each, name in [*((each, "guess") for each in waiting), (first, "anna")]:
        each.rawlink(lambda _, name=name: order.append(name))
    busy.close()
    gevent.joinall([*waiting, first])
    assert first.value
    assert order[0] == "anna"


@pytest.mark.parametrize("status", [401, 429])
def test_failed_source_counts_as_one_that_tries_again(checks: PasswordChecks, status: int) -> None:
    checks.note(basic("guess"), ELSEWHERE, status)
    with checks.turn(basic("a"), HERE), checks.turn(basic("b"), HERE):
        assert not asks(checks, basic("anna"), ELSEWHERE)


def test_failure_is_forgotten_after_a_time(checks: PasswordChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_checks, "MEMORY_S", 0.0)
    checks.note(basic("guess"), ELSEWHERE, 401)
    with ExitStack() as guesses:
        for number in range(2):
            guesses.enter_context(checks.turn(basic(f"guess{number}"), HERE))
        waiting = gevent.spawn(asks, checks, basic("anna"), ELSEWHERE)
        gevent.sleep(0.1)
        assert not waiting.ready()
    assert waiting.get(timeout=5)


def test_password_that_is_sent_several_times_at_once_is_checked_once(checks: PasswordChecks) -> None:
    asked = 0

    def ask() -> None:
        nonlocal asked
        with checks.turn(basic("anna"), HERE):
            gevent.sleep(0.02)
            asked += 1
            checks.note(basic("anna"), HERE, 200)

    everybody = [gevent.spawn(ask) for _ in range(20)]
    gevent.joinall(everybody, raise_error=True)
    assert asked == 20  # auth is asked about each request all the same


def test_guess_is_known_to_be_hopeless_where_it_would_be_refused_at_once(
    checks: PasswordChecks, busy: ExitStack
) -> None:
    assert not checks.is_hopeless(basic("guess"), HERE)
    waiting = [gevent.spawn(asks, checks, basic(f"waiting{number}"), HERE) for number in range(OTHERS_QUEUE)]
    gevent.sleep(0)
    assert checks.is_hopeless(basic("guess"), HERE)
    assert not asks(checks, basic("guess"), HERE)
    assert not checks.is_hopeless(basic("guess"), ELSEWHERE)
    assert not checks.is_hopeless(f"Bearer {keys.new_key()}", HERE)
    busy.close()
    gevent.joinall(waiting)
    assert not checks.is_hopeless(basic("guess"), HERE)


def test_turns_that_end_with_an_error_come_free(checks: PasswordChecks) -> None:
    for _ in range(5):
        with pytest.raises(ValueError, match="of the body"), checks.turn(basic("guess"), HERE):
            raise ValueError("of the body")
    with checks.turn(basic("a"), HERE):
        assert asks(checks, basic("b"), HERE)
