"""Write docs/security.md from tests/security_map. With `--check`, only check whether it is up to date."""

import re
import sys
from pathlib import Path

import security_map
from security_map import VERDICTS, Map, Row, in_order, levels

FILE = Path(__file__).resolve().parents[1] / "docs" / "security.md"
TEXT = """# What holds of OWASP ASVS 5.0

Every requirement of levels 1 and 2 of the
[OWASP Application Security Verification Standard 5.0.0](https://github.com/OWASP/ASVS/tree/v5.0.0), and whether it
holds here. The standard's own text is not repeated: look the number up there. It is about the services of this
repository as they are by default; what the compose stack adds is said. This is our own reading of our own product, not
an audit by somebody else.

- **yes**: it holds, and the tests or checks that are named fail if it stops to hold. A requirement that something be
  documented is proven by the document.
{next_release}- **no**: it does not hold, or only in part; the reason is told, and what an operator can do.
- Not applicable: listed at the end, with the reason.

Generated from [tests/security_map/rows.toml](../tests/security_map/rows.toml) by `make format`.
[tests/unit/test_security_map.py](../tests/unit/test_security_map.py) checks that no requirement is missing and that
every proof exists. [threat-model.md](threat-model.md) says who might attack what, [data-and-keys.md](data-and-keys.md)
which data, keys and logs there are, [SECURITY.md](../SECURITY.md) how to report what is missing here.
"""
NEXT_RELEASE = "- **next release**: what it takes is being made; the row says what.\n"
SAID = {"holds": "yes", "next release": "next release", "does not hold": "**no**"}


def counts(the_map: Map) -> list[str]:
    """Return the table of how many requirements have which verdict."""
    found = the_map.counts()
    lines = ["| | level 1 | level 2 | both |", "| --- | --- | --- | --- |"]
    for verdict in VERDICTS:
        one, two = found.get((verdict, 1), 0), found.get((verdict, 2), 0)
        if one + two:
            lines.append(f"| {verdict} | {one} | {two} | {one + two} |")
    one, two = (list(levels().values()).count(level) for level in (1, 2))
    return [*lines, f"| all | {one} | {two} | {one + two} |"]


def link(proof: str) -> str:
    """Return a proof as Markdown: a test by its name, a document by its heading, a check as it is."""
    if proof.startswith("make "):
        return f"`{proof}`"
    file, _, name = proof.partition("::") if "::" in proof else proof.partition("#")
    if "::" in proof:
        return f"[{name}](../{file})"
    target = file.removeprefix("docs/") if file.startswith("docs/") else f"../{file}"
    return f"[{Path(file).name}: {name.replace('-', ' ')}]({target}#{name})"


def line(row: Row) -> str:
    """Return the line of the table that is about one requirement."""
    told = row.fails or " ".join([", ".join(map(link, row.proof)) + ("." if row.proof and row.note else ""), row.note])
    told = re.sub(r"\s+", " ", told).strip()
    return f"| {row.number} | {levels()[row.number]} | {row.asks} | {SAID[row.verdict]} | {told} |"


def chapter(the_map: Map, number: str) -> list[str]:
    """Return a chapter as lines of Markdown, none if all of it is not applicable."""
    rows = [row for row in the_map.rows if row.number.split(".")[0] == number]
    head = [f"## {number} {the_map.chapters[number]}", "", "| | Level | Asked | Holds | By which proof, or why not |"]
    return [*head, "| --- | --- | --- | --- | --- |", *map(line, rows), ""] if rows else []


def not_applicable(the_map: Map) -> list[str]:
    """Return the requirements that are not applicable, a line for each reason."""
    lines = ["## Not applicable", "", "| Because | Requirements |", "| --- | --- |"]
    return [*lines, *(f"| {group.because} | {', '.join(in_order(group.numbers))} |" for group in the_map.groups)]


def rendered() -> str:
    """Return the whole document."""
    the_map = security_map.load()
    chapters = [each for number in the_map.chapters for each in chapter(the_map, number)]
    next_release = NEXT_RELEASE if any(row.verdict == "next release" for row in the_map.rows) else ""
    head = TEXT.format(next_release=next_release)
    return "\n".join([head, *counts(the_map), "", *chapters, *not_applicable(the_map)]) + "\n"


def main() -> None:
    """Update the file; with `--check`, exit with code 1 if it is out of date."""
    fresh = rendered()
    if FILE.exists() and FILE.read_text() == fresh:
        return
    if "--check" in sys.argv:
        sys.exit("docs/security.md is not that of tests/security_map: run make format")
    FILE.write_text(fresh)


if __name__ == "__main__":
    main()
