"""Look whether a known vulnerability concerns one of the locked packages: with pip-audit, in PyPI's advisories.

Without PyPI, or at a mirror that knows no advisories, this says that nothing was looked up, and is no failure.
"""

import json
import subprocess
import sys
from pathlib import Path

LOCK = "requirements-dev.lock"  # it decides the versions of all the others
# Advisories that do not concern us, each with the reason: {"PYSEC-2026-1": "we never parse such files"}.
ACCEPTED: dict[str, str] = {}


def main() -> None:
    """Print what was found; exit with code 1 if a package is vulnerable."""
    program = Path(sys.executable).with_name("pip-audit")
    options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    ignored = [word for advisory in ACCEPTED for word in ("--ignore-vuln", advisory)]
    done = subprocess.run(
        [program, "--requirement", LOCK, *options, *ignored], capture_output=True, text=True, check=False
    )
    said, found = report(done.stdout, done.stderr)
    sys.stderr.write(f"audit: {said}\n")
    if found:
        sys.exit("\n".join(found))


def report(answer: str, errors: str) -> tuple[str, list[str]]:
    """Return a sentence on what pip-audit has looked up, by its `answer` and `errors`, and a line for each advisory."""
    try:
        packages = json.loads(answer)["dependencies"]
    except ValueError:
        return f"NOTHING WAS LOOKED UP: {(errors.strip().splitlines() or ['no answer'])[-1]}", []
    unknown = [package["name"] for package in packages if "skip_reason" in package]
    if len(unknown) == len(packages):
        return "NOTHING WAS LOOKED UP: the package index knows no advisories", []
    found = [
        f"{package['name']} {package['version']}: {advisory['id']}, mended in {', '.join(advisory['fix_versions'])}"
        for package in packages
        for advisory in package.get("vulns", [])
    ]
    rest = f"; not looked up: {', '.join(unknown)}" if unknown else ""
    return f"{len(packages) - len(unknown)} packages looked up, {len(found)} advisories{rest}", found


if __name__ == "__main__":
    main()
