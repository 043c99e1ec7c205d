"""What of OWASP ASVS 5.0, levels 1 and 2, holds here, by which proof, and what does not: `rows.toml`, read and counted.

`levels.csv` has the number and level of every requirement. docs/security.md is made of both by `make format`.
"""

import csv
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent
PENDING = "(pending: "
VERDICTS = ("holds", "next release", "does not hold", "not applicable")


@dataclass(frozen=True)
class Row:
    """One requirement: what it asks in our words, and the proofs that it holds, or why it does not.

    A `note` says what else a reader has to know; one with `PENDING` names what of the next release the row waits for.
    """

    number: str
    asks: str
    proof: tuple[str, ...] = ()
    note: str = ""
    fails: str = ""

    @property
    def verdict(self) -> str:
        """Return one of `VERDICTS`."""
        if self.fails:
            return "does not hold"
        return "next release" if PENDING in self.note else "holds"


@dataclass(frozen=True)
class Group:
    """Requirements that are not applicable, all for one reason."""

    because: str
    numbers: tuple[str, ...]


@dataclass(frozen=True)
class Map:
    """The whole map, by chapter; the rows are in the order of their numbers."""

    chapters: Mapping[str, str]
    rows: tuple[Row, ...]
    groups: tuple[Group, ...]

    def numbers(self) -> list[str]:
        """Return the number of every requirement that the map tells of, as often as it does."""
        return [row.number for row in self.rows] + [number for group in self.groups for number in group.numbers]

    def counts(self) -> Mapping[tuple[str, int], int]:
        """Return how many requirements have a verdict, by verdict and level."""
        found = [(row.verdict, levels()[row.number]) for row in self.rows]
        found += [(VERDICTS[-1], levels()[number]) for group in self.groups for number in group.numbers]
        return Counter(found)


@cache
def levels() -> Mapping[str, int]:
    """Return the level of each requirement, by its number, in the order of the standard."""
    with (FOLDER / "levels.csv").open() as file:
        return {row["id"]: int(row["level"]) for row in csv.DictReader(file)}


def in_order(numbers: Iterable[str]) -> list[str]:
    """Return `numbers` of requirements in the order of the standard."""
    return sorted(numbers, key=lambda number: [int(part) for part in number.split(".")])


@cache
def load() -> Map:
    """Return the map. Raise `TypeError` if a row has a field that there is not."""
    document = tomllib.loads((FOLDER / "rows.toml").read_text(encoding="utf-8"))
    told = document["rows"]
    rows = [Row(number, **{**told[number], "proof": tuple(told[number].get("proof", ()))}) for number in in_order(told)]
    groups = [Group(group["because"], tuple(in_order(group["numbers"]))) for group in document["not_applicable"]]
    return Map(document["chapters"], tuple(rows), tuple(groups))
