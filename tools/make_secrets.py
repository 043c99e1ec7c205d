"""Write good passwords for docker-compose.yml and ha.yml into an env file; whatever is set there stays as it is.

Usage: make_secrets.py [ENV_FILE]    .env of this repository by default, which docker compose reads by itself

Run before anything is installed, so it uses the standard library only.
"""

import fcntl
import os
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Every variable that has a default password in docker-compose.yml.
DEFAULT = re.compile(r"\$\{(\w+):-[\w-]+-on-this-machine\}")
# Every variable without which ha.yml does not start. They are written in any case, so that it can be added later.
REQUIRED = re.compile(r"\$\{(\w+):\?make secrets ")
# A variable with a value; docker compose takes the default for one without.
ASSIGNMENT = re.compile(r"""^[ \t]*(?:export[ \t]+)?(\w+)[ \t]*[=:][ \t]*(?!#|''|"")(\S.*)$""", re.MULTILINE)
OWN_S3 = "own-s3.yml"


def names(settings: dict[str, str]) -> list[str]:
    """Return the variables of all passwords of the stack; those of S3 only if it runs an S3 of its own."""
    found = set(DEFAULT.findall((ROOT / "docker-compose.yml").read_text()))
    found |= set(REQUIRED.findall((ROOT / "ha.yml").read_text()))
    files = settings.get("COMPOSE_FILE", os.environ.get("COMPOSE_FILE", ""))
    return [name for name in sorted(found) if OWN_S3 not in files or "S3_" not in name]


def write(file: Path) -> list[str]:
    """Add the passwords that are missing to `file`, which only its owner may read then. Return their names."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+", encoding="utf-8", errors="surrogateescape") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX)  # two runs at a time: the second finds what the first has written
        os.fchmod(descriptor, 0o600)
        text = opened.read()
        settings = dict(ASSIGNMENT.findall(text.removeprefix("\ufeff")))
        missing = [name for name in names(settings) if name not in settings]
        # Letters and digits only, as some of them become a part of a URL.
        lines = "".join(f"{name}={secrets.token_hex(20)}\n" for name in missing)
        opened.write(("\n" if text and not text.endswith("\n") and lines else "") + lines)
    return missing


def main() -> None:
    """Write the file, and say what was written and what counts when."""
    file = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / ".env"
    try:
        missing = write(file)
    except OSError as fault:
        sys.exit(f"{file}: {fault.strerror}")
    if not missing:
        print(f"{os.path.relpath(file)} has all passwords already; nothing was changed")
        return
    print(f"wrote into {os.path.relpath(file)}: {', '.join(missing)}")
    print(
        "They count from the first start on. Where the stack was started before, its volumes keep the passwords that "
        "they were made with: see Passwords in the README."
    )


if __name__ == "__main__":
    main()
