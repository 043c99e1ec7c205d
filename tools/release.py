"""Make a release of this tree, on this machine alone: nothing is pushed.

Usage: python -m tools.release cut|collect

`cut` gives the unreleased part of CHANGELOG.md the version of VERSION and today's date, commits that, and tags the
commit. A tag that is there is right if it is at this commit, so that a release which was interrupted goes on.
`collect` puts what belongs to the release into .imghost/release/<version>: the sources, the notes, the bills of
materials of `make images`, the ids of the images, and the checksums of all of them.
"""

import datetime as dt
import hashlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tools.version import ROOT, version

IMAGES = ("auth", "catalog", "imaging", "gateway", "s3-setup")
UNRELEASED = "## Unreleased"


class RefusedError(Exception):
    """What keeps the release from being made, in a sentence."""


def git(root: Path, *words: str) -> str:
    """Return what git prints in `root`. Raise `RefusedError` with its own words if it fails."""
    command = ["git", *words]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(f"git {words[0]}: {done.stderr.strip()}")
    return done.stdout.strip()


def section(changelog: str, number: str) -> str:
    """Return the part of the changelog about the release `number`, without its heading. Raise `RefusedError`."""
    found = re.search(rf"^## {re.escape(number)} .*?\n(.*?)(?=^## |\Z)", changelog, re.DOTALL | re.MULTILINE)
    if found is None:
        raise RefusedError(f"CHANGELOG.md has no part about {number}")
    return found[1].strip()


def dated(changelog: str, number: str, today: dt.date) -> str:
    """Return the changelog with its unreleased part as that of `number`, and an empty one before it.

    Raise `RefusedError` if nothing is unreleased, or `number` was released.
    """
    if re.search(rf"^## {re.escape(number)} ", changelog, re.MULTILINE):
        raise RefusedError(
            f"{number} is in CHANGELOG.md already: write the next version into VERSION, then make format"
        )
    before, heading, after = changelog.partition(f"{UNRELEASED}\n")
    if not heading or not re.match(r"\s*### ", after):
        raise RefusedError(f"CHANGELOG.md has nothing under {UNRELEASED}")
    return f"{before}{UNRELEASED}\n\n## {number} ({today.isoformat()})\n{after}"


def cut(root: Path, today: dt.date) -> str:
    """Date the changelog, commit it and tag the commit; return the tag. Raise `RefusedError`."""
    number = version(root)
    tag = f"v{number}"
    if git(root, "status", "--porcelain"):
        raise RefusedError("something is not committed: git status")
    if git(root, "tag", "--list", tag):
        if git(root, "rev-parse", f"{tag}^{{commit}}") != git(root, "rev-parse", "HEAD"):
            raise RefusedError(
                f"{tag} is the tag of another commit: write the next version into VERSION, then make format"
            )
        return tag
    file = root / "CHANGELOG.md"
    file.write_text(dated(file.read_text(), number, today))
    git(root, "commit", "--quiet", "--message", f"release: {number}", "CHANGELOG.md")
    git(root, "tag", "--annotate", "--cleanup=verbatim", "--message", f"imghost {number}", tag)
    return tag


def image_id(name: str, revision: str) -> str:
    """Return the id of an image, which is the digest of its configuration.

    Raise `RefusedError` if it is not there, or its label tells of another commit than `revision`.
    """
    form = '{{.Id}} {{index .Config.Labels "org.opencontainers.image.revision"}}'
    command = ["docker", "image", "inspect", "--format", form, name]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RefusedError(f"{name} is missing: make images")
    found, _, built_from = done.stdout.strip().partition(" ")
    if built_from != revision:
        raise RefusedError(f"{name} was built from {built_from}, not from {revision}: make images")
    return found


def collect(root: Path) -> Path:
    """Make the folder of the release anew, and return it. Raise `RefusedError`."""
    number = version(root)
    tag = f"v{number}"
    if git(root, "rev-parse", f"{tag}^{{commit}}") != git(root, "rev-parse", "HEAD"):
        raise RefusedError(f"{tag} is the tag of another commit")
    folder = root / ".imghost" / "release" / number
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    git(root, "archive", f"--prefix=imghost-{number}/", f"--output={folder}/imghost-{number}.tar.gz", tag)
    (folder / "NOTES.md").write_text(section((root / "CHANGELOG.md").read_text(), number) + "\n")
    revision = git(root, "describe", "--always", "--abbrev=12", "--exclude=*")
    lines = []
    for name in IMAGES:
        bill = root / ".imghost" / "sbom" / f"imghost-{name}-{number}.cdx.json"
        if not bill.exists():
            raise RefusedError(f"{bill.name} is missing: make images")
        shutil.copy(bill, folder)
        lines.append(f"imghost-{name}:{number} {image_id(f'imghost-{name}:{number}', revision)}\n")
    (folder / "IMAGES").write_text("".join(lines))
    sums = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}\n" for file in sorted(folder.iterdir())]
    (folder / "SHA256SUMS").write_text("".join(sums))
    return folder


def main() -> None:
    """Do what the argument says."""
    try:
        match sys.argv[1:]:
            case ["cut"]:
                print(f"tagged {cut(ROOT, dt.datetime.now(dt.UTC).date())}")
            case ["collect"]:
                print(f"the release is in {collect(ROOT).relative_to(ROOT)}; nothing was pushed")
            case _:
                sys.exit(__doc__)
    except (RefusedError, ValueError) as fault:
        sys.exit(f"release: {fault}")


if __name__ == "__main__":
    main()
