"""The map of security requirements is complete, and what it names as proof exists."""

import ast
import re
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from security_map import PENDING, Map, Row, levels, load

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
RELEASE = "(?:limits|idempotency|audit|disable|secrets|lint)"
AWAITED = re.compile(rf"\(pending: {RELEASE}(?:, {RELEASE})*\)")
MAP: Map = load()


def test_levels_are_those_of_the_standard() -> None:
    assert Counter(levels().values()) == {1: 70, 2: 183}
    assert all(re.fullmatch(r"\d{1,2}\.\d{1,2}\.\d{1,2}", number) for number in levels())
    assert {number.split(".")[0] for number in levels()} == set(MAP.chapters)


def test_every_requirement_is_told_of_once() -> None:
    told = Counter(MAP.numbers())
    assert not {number for number, times in told.items() if times > 1}
    assert not set(levels()) - set(told)
    assert not set(told) - set(levels())


@pytest.mark.parametrize("row", MAP.rows, ids=lambda row: row.number)
def test_row_has_a_proof_or_a_reason(row: Row) -> None:
    assert row.asks
    if row.verdict == "holds":
        assert row.proof
    if row.verdict == "does not hold":
        assert not row.proof
        assert not row.note
        assert len(row.fails) > 20
    for text in (row.note, row.fails):
        assert "|" not in text
        assert (PENDING in text) == (AWAITED.search(text) is not None)


@pytest.mark.parametrize("proof", sorted({proof for row in MAP.rows for proof in row.proof}))
def test_proof_exists(proof: str) -> None:
    if proof.startswith("make lint: "):
        assert proof.removeprefix("make lint: ") in lint()
    elif "::" in proof:
        file, _, name = proof.partition("::")
        assert name.startswith("test_")
        assert name in defined_in(ROOT / file)
    else:
        file, _, heading = proof.partition("#")
        assert heading in headings(ROOT / file)


def test_only_verdicts_that_occur_are_explained() -> None:
    occurs = any(row.verdict == "next release" for row in MAP.rows)
    assert ("**next release**" in DOCUMENT) == occurs


def test_counts_are_those_of_the_rows_shown() -> None:
    line = r"^\| (\d+\.\d+\.\d+) \| ([12]) \| [^|]+ \| (yes|next release|\*\*no\*\*) \|"
    shown = Counter((said, int(level)) for _, level, said in re.findall(line, DOCUMENT, re.MULTILINE))
    left_out = re.findall(r"\d+\.\d+\.\d+", DOCUMENT.partition("## Not applicable")[2])
    shown += Counter(("not applicable", levels()[number]) for number in left_out)
    assert sum(shown.values()) == len(levels())
    told = re.findall(r"^\| ([a-z ]+) \| (\d+) \| (\d+) \| (\d+) \|$", DOCUMENT, re.MULTILINE)
    assert {verdict for verdict, *_ in told} >= {"holds", "does not hold", "not applicable", "all"}
    words = {"holds": "yes", "does not hold": "**no**"}
    for verdict, one, two, both in told:
        assert int(both) == int(one) + int(two)
        if verdict != "all":
            word = words.get(verdict, verdict)
            assert (int(one), int(two)) == (shown[word, 1], shown[word, 2])


@cache
def defined_in(file: Path) -> set[str]:
    return {node.name for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.FunctionDef)}


@cache
def lint() -> str:
    """Return the commands of `make lint`."""
    [recipe] = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return str(recipe)


@cache
def headings(file: Path) -> set[str]:
    """Return the anchors of the headings that a document in Markdown has."""
    found = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^a-z0-9 _-]", "", heading.lower()).replace(" ", "-") for heading in found}
