"""Which passwords auth is asked about, and when."""

import base64
import time
from collections.abc import Iterator
from contextlib import ExitStack

import gevent
import pytest

from auth import keys
from chassis.errors import DependencyDownError
from gateway import password_checks
from gateway.errors import PasswordsBusyError
from gateway.password_checks import FEW_FAILURES, FIRST_QUEUE, MOST_FOLLOWERS, PasswordChecks
from metric_values import shown

HERE, ELSEWHERE = "192.0.2.1", "198.51.100.1"


def basic(username: str, password: str = "guessed") -> str:  # noqa: S107
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


@pytest.fixture
def checks() -> PasswordChecks:
    return PasswordChecks(2)


def fail(checks: PasswordChecks, source: str, times: int = 1) -> None:
    for _ in range(times):
        checks.note(basic("guess"), source, 401)


@pytest.fixture
def busy(checks: PasswordChecks) -> Iterator[ExitStack]:
    """Two passwords, which are all that may be checked at a time; HERE, many have failed."""
    fail(checks, HERE, 2 * FEW_FAILURES)
    with ExitStack() as checked:
        for number in range(2):
            checked.enter_context(checks.turn(basic(f"user{number}"), "203.0.113.9"))
        yield checked


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
    fail(checks, HERE, 2 * FEW_FAILURES)
    with checks.turn(basic("a"), ELSEWHERE), checks.turn(basic("b"), ELSEWHERE):
        assert asks(checks, basic("anna"), HERE)
        assert not asks(checks, basic("anna", "another one"), HERE)


@pytest.mark.usefixtures("busy")
def test_right_password_of_a_disabled_user_is_no_guess(checks: PasswordChecks) -> None:
    for _ in range(2 * FEW_FAILURES):
        checks.note(basic("disabled"), ELSEWHERE, 403)
    assert asks(checks, basic("disabled"), ELSEWHERE)
    assert not checks.is_hopeless(basic("anna"), ELSEWHERE)


@pytest.mark.usefixtures("busy")
def test_source_with_many_failures_gets_no_turn_but_a_free_one(checks: PasswordChecks) -> None:
    assert checks.is_hopeless(basic("guess"), HERE)
    assert not asks(checks, basic("guess"), HERE)


def test_source_with_many_failures_gets_a_free_turn(checks: PasswordChecks) -> None:
    fail(checks, HERE, 2 * FEW_FAILURES)
    assert not checks.is_hopeless(basic("guess"), HERE)
    assert asks(checks, basic("guess"), HERE)


@pytest.mark.usefixtures("busy")
def test_source_with_few_failures_is_refused_soon(checks: PasswordChecks) -> None:
    fail(checks, ELSEWHERE, FEW_FAILURES)
    began = time.monotonic()
    assert not asks(checks, basic("guess"), ELSEWHERE)
    assert 0.03 < time.monotonic() - began < 0.2


def test_guesses_have_half_of_the_places_half_of_the_time(checks: PasswordChecks) -> None:
    fail(checks, HERE, 2 * FEW_FAILURES)
    fail(checks, ELSEWHERE)
    with checks.turn(basic("guess"), HERE):
        gevent.sleep(0.04)
        assert checks.is_hopeless(basic("another guess"), HERE)
        assert asks(checks, basic("anna"), "203.0.113.1")
    assert checks.is_hopeless(basic("another guess"), HERE)
    assert asks(checks, basic("anna"), "203.0.113.1")
    began = time.monotonic()
    assert asks(checks, basic("mistyped"), ELSEWHERE)  # which has failed less often, and may wait
    assert 0.02 < time.monotonic() - began < 0.2


def test_guesses_that_come_one_after_another_are_not_refused(checks: PasswordChecks) -> None:
    fail(checks, HERE, 2 * FEW_FAILURES)
    for number in range(20):
        with checks.turn(basic(f"guess{number}"), HERE):
            gevent.sleep(0.01)


def test_source_without_failures_goes_before_those_with(checks: PasswordChecks, busy: ExitStack) -> None:
    fail(checks, ELSEWHERE)
    order: list[str] = []

    def ask(name: str, source: str) -> None:
        with checks.turn(basic(name), source):
            order.append(name)

    waiting = [gevent.spawn(ask, "guess", ELSEWHERE)]
    gevent.sleep(0)
    waiting.append(gevent.spawn(ask, "anna", "203.0.113.1"))
    gevent.sleep(0)
    busy.close()
    gevent.joinall(waiting, raise_error=True)
    assert order[0] == "anna"


@pytest.mark.usefixtures("busy")
def test_no_more_wait_than_may(checks: PasswordChecks) -> None:
    waiting = [gevent.spawn(asks, checks, basic(f"waiting{number}"), ELSEWHERE) for number in range(FIRST_QUEUE)]
    gevent.sleep(0)
    assert checks.is_hopeless(basic("one more"), ELSEWHERE)
    assert not asks(checks, basic("one more"), ELSEWHERE)
    assert not checks.is_hopeless(f"Bearer {keys.new_key()}", ELSEWHERE)
    gevent.killall(waiting)


def test_who_would_wait_in_vain_is_refused_at_once(checks: PasswordChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_checks, "FIRST_WAIT_S", 0.15)
    for number in range(20):
        with checks.turn(basic(f"slow{number}"), HERE):
            gevent.sleep(0.2)  # so that the first who waits will most likely wait 0.1 s, the next one 0.2 s
    with checks.turn(basic("a"), HERE), checks.turn(basic("b"), HERE):
        assert not checks.is_hopeless(basic("anna"), ELSEWHERE)
        waiting = gevent.spawn(asks, checks, basic("anna"), ELSEWHERE)
        gevent.sleep(0)
        assert checks.is_hopeless(basic("bert"), ELSEWHERE)
        assert not asks(checks, basic("bert"), ELSEWHERE)
        assert not waiting.ready()
    assert waiting.get(timeout=5)


def test_many_users_of_one_source_log_in_at_once(checks: PasswordChecks) -> None:
    def ask(name: str) -> bool:
        with checks.turn(basic(name), HERE):
            gevent.sleep(0.02)
        return True

    everybody = [gevent.spawn(ask, f"user{number}") for number in range(20)]
    gevent.joinall(everybody, raise_error=True)
    assert all(each.value for each in everybody)


@pytest.mark.parametrize("status", [401, 429])
def test_every_refusal_by_auth_counts_as_a_failure(checks: PasswordChecks, status: int) -> None:
    for _ in range(2 * FEW_FAILURES):
        checks.note(basic("guess"), ELSEWHERE, status)
    with checks.turn(basic("a"), HERE), checks.turn(basic("b"), HERE):
        assert not asks(checks, basic("anna"), ELSEWHERE)


def test_failure_is_forgotten_after_a_time(checks: PasswordChecks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_checks, "MEMORY_S", 0.0)
    fail(checks, ELSEWHERE, 2 * FEW_FAILURES)
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


def test_nobody_waits_again_for_what_failed_for_the_same_password(checks: PasswordChecks) -> None:
    asked = 0

    def ask() -> None:
        nonlocal asked
        with checks.turn(basic("anna"), HERE):
            asked += 1
            gevent.sleep(0.02)
            raise DependencyDownError("auth service")

    everybody = [gevent.spawn(ask) for _ in range(20)]
    gevent.joinall(everybody)
    assert asked == 1
    assert all(isinstance(each.exception, DependencyDownError) for each in everybody)
    assert asks(checks, basic("anna"), HERE)


def test_who_mistyped_once_may_send_the_right_password_several_times_at_once(checks: PasswordChecks) -> None:
    fail(checks, HERE)

    def ask() -> None:
        with checks.turn(basic("anna"), HERE):
            gevent.sleep(0.02)
            checks.note(basic("anna"), HERE, 200)

    everybody = [gevent.spawn(ask) for _ in range(6)]
    gevent.joinall(everybody, raise_error=True)


def test_no_more_requests_of_a_source_wait_for_one_password_than_may(checks: PasswordChecks) -> None:
    """They would take the connections of everybody else."""
    with checks.turn(basic("anna"), HERE), checks.turn(basic("bert"), HERE):
        waiting = [gevent.spawn(asks, checks, basic("anna"), HERE) for _ in range(MOST_FOLLOWERS)]
        gevent.sleep(0)
        assert checks.is_hopeless(basic("anna"), HERE)
        assert not asks(checks, basic("anna"), HERE)
        elsewhere = [gevent.spawn(asks, checks, basic("clara"), ELSEWHERE) for _ in range(2)]
        gevent.sleep(0)
        assert not checks.is_hopeless(basic("clara"), ELSEWHERE)
        gevent.killall([*waiting, *elsewhere])
        assert not checks.is_hopeless(basic("anna"), HERE)


def test_turns_that_end_with_an_error_come_free(checks: PasswordChecks) -> None:
    for _ in range(5):
        with pytest.raises(ValueError, match="of the body"), checks.turn(basic("guess"), HERE):
            raise ValueError("of the body")
    with checks.turn(basic("a"), HERE):
        assert asks(checks, basic("b"), HERE)


def test_passwords_that_auth_is_asked_about_and_that_wait_for_it_are_shown(
    checks: PasswordChecks, busy: ExitStack
) -> None:
    def states() -> list[float]:
        return [shown("imghost_password_checks", state=state) for state in ("running", "first", "others")]

    running, first, others = states()
    waiting = [gevent.spawn(asks, checks, basic(f"other{number}"), ELSEWHERE) for number in range(3)]
    gevent.sleep(0)
    assert states() == [running, first + 3, others]
    busy.close()
    gevent.joinall(waiting, timeout=5, raise_error=True)
    assert states() == [running - 2, first, others]
