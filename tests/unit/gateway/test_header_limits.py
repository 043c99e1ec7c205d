import pytest

from gateway.door.header_limits import LONGEST_FIELD, are_exceeded

# What a line of this name has beside its value.
BESIDE = len("IF-NONE-MATCH: \r\n")


@pytest.mark.parametrize(
    "lengths", [(LONGEST_FIELD - BESIDE,), (4000, LONGEST_FIELD - BESIDE - 4000 - 1), (1,) * 100, (0, 0)]
)
def test_lines_of_a_name_that_fit_into_one_line_are_taken(lengths: tuple[int, ...]) -> None:
    assert not are_exceeded([("IF-NONE-MATCH", "x" * length) for length in lengths])


@pytest.mark.parametrize(
    "lengths", [(LONGEST_FIELD - BESIDE + 1,), (6000, 6000), (4000, LONGEST_FIELD - BESIDE - 4000), (100,) * 81]
)
def test_lines_of_a_name_that_do_not_fit_into_one_line_are_too_long(lengths: tuple[int, ...]) -> None:
    assert are_exceeded([("IF-NONE-MATCH", "x" * length) for length in lengths])


def test_all_headers_together_have_a_limit() -> None:
    assert not are_exceeded([(f"X-{number}", "x" * 5400) for number in range(3)])
    assert are_exceeded([(f"X-{number}", "x" * 5600) for number in range(3)])
    assert not are_exceeded([])
