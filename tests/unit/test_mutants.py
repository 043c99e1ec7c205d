"""The defects of `make mutants` still fit the code, so that a change of it cannot quietly put them out of use."""

import ast
from pathlib import Path

import pytest

from mutants.defects import DEFECTS, Defect

ROOT = Path(__file__).parents[2]


def test_names_of_defects_are_unique() -> None:
    assert len({defect.name for defect in DEFECTS}) == len(DEFECTS)


@pytest.mark.parametrize("defect", DEFECTS, ids=lambda defect: defect.name)
def test_defect_can_be_put_in_and_is_python_still(defect: Defect) -> None:
    texts: dict[str, str] = {}
    for edit in defect.edits:
        text = texts.get(edit.file) or (ROOT / edit.file).read_text()
        assert text.count(edit.before) == 1, f"{edit.file} does not have this once: {edit.before}"
        texts[edit.file] = text.replace(edit.before, edit.after)
    for file, text in texts.items():
        if file.endswith(".py"):
            ast.parse(text)


@pytest.mark.parametrize("test", sorted({test for defect in DEFECTS for test in defect.caught_by}))
def test_test_that_catches_a_defect_is_there(test: str) -> None:
    file, *_, name = test.split("::")
    contracts = (ROOT / "tests").glob("*_contract.py")  # whose tests the classes of other files inherit
    assert any(f"def {name}(" in path.read_text() for path in (ROOT / file, *contracts))
