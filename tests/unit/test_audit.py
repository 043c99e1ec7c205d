"""What `make lint` says of the answers of pip-audit."""

import json
import runpy
from pathlib import Path

report = runpy.run_path(str(Path(__file__).parents[2] / "tools/audit.py"))["report"]

SAFE = {"name": "flask", "version": "3.1.0", "vulns": []}
UNKNOWN = {"name": "own", "skip_reason": "Dependency not found on PyPI"}
VULNERABLE = {
    "name": "pillow",
    "version": "1.0",
    "vulns": [{"id": "PYSEC-2020-1", "fix_versions": ["1.1", "2.0"], "aliases": [], "description": ""}],
}


def answer(*packages: object) -> str:
    return json.dumps({"dependencies": packages, "fixes": []})


def test_advisory_is_reported_with_the_versions_that_mend_it() -> None:
    said, found = report(answer(SAFE, VULNERABLE, UNKNOWN), "")
    assert said == "2 packages looked up, 1 advisories; not looked up: own"
    assert found == ["pillow 1.0: PYSEC-2020-1, mended in 1.1, 2.0"]


def test_nothing_found_is_no_failure() -> None:
    assert report(answer(SAFE), "") == ("1 packages looked up, 0 advisories", [])


def test_what_could_not_be_looked_up_is_said_aloud() -> None:
    for printed, errors in ((answer(UNKNOWN), ""), ("", "Traceback\nno route to host"), ("", "")):
        said, found = report(printed, errors)
        assert said.startswith("NOTHING WAS LOOKED UP: ")
        assert not found
