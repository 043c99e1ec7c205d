import pytest

from auth import throttle


@pytest.mark.parametrize(
    ("one", "other"), [("2001:db8::1", "2001:db8::ffff:1"), ("::ffff:192.0.2.1", "192.0.2.1"), ("unix", "unix")]
)
def test_addresses_of_one_customer_are_one_source(one: str, other: str) -> None:
    assert throttle.account_subject("anna", one) == throttle.account_subject("anna", other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.1", "192.0.2.2"),
        ("2001:db8::1", "2001:db8:0:1::1"),
        ("::ffff:192.0.2.1", "::ffff:198.51.100.7"),
        ("fe80::1%eth0", "192.0.2.1"),
    ],
)
def test_guesses_from_one_address_delay_no_other(one: str, other: str) -> None:
    assert throttle.account_subject("anna", one) != throttle.account_subject("anna", other)


def test_delays_grow_from_one_second_to_the_longest() -> None:
    delays = [throttle.delay_s(failures, free=5, longest_s=300) for failures in range(1, 16)]
    assert delays == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
