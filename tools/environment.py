"""Make a virtual environment from one lock, and install the packages of this repository into it in editable form.

Usage: environment.py VENV LOCK PACKAGE...   It runs before anything is installed, so it uses the standard library only.
"""

import subprocess
import sys
from pathlib import Path

try:
    import ensurepip  # noqa: F401 - Debian has it in the package python3-venv, and venv needs it
    import venv
except ImportError:
    sys.exit("this Python cannot make virtual environments; on Debian or Ubuntu: apt install python3-venv")


def main() -> None:
    """Create `VENV` if it is missing or incomplete, install `LOCK` with its hashes checked, then every `PACKAGE`."""
    target, lock, packages = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    if sys.version_info < (3, 11):
        sys.exit(f"imghost needs Python 3.11 or newer; this is {sys.version.split()[0]}. Set PYTHON=python3.x.")
    python, complete = target / "bin" / "python", target / "complete"
    if not (complete.exists() and has_pip(python)):
        print(f"making {target} ...", flush=True)
        venv.create(target, with_pip=True, clear=True)
    complete.unlink(missing_ok=True)
    for stamp in target.glob("*.stamp"):  # of the Makefile: until this ends well, no environment is up to date
        stamp.unlink()
    print(f"installing {lock} ...", flush=True)
    # What is imported is compiled at its first import; compiling all of it takes longer and a fifth more room.
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-compile"]
    subprocess.run([*pip, "--require-hashes", "--requirement", lock], check=True)
    editable = [word for package in packages for word in ("--editable", package)]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", *editable], check=True)
    complete.touch()


def has_pip(python: Path) -> bool:
    """Return whether an interpreter runs and has pip, which it has not after an upgrade of the Python below it."""
    try:
        return subprocess.run([str(python), "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


if __name__ == "__main__":
    try:
        main()
    except subprocess.CalledProcessError:
        sys.exit(f"making {sys.argv[1]} from {sys.argv[2]} failed; the reason is above")
    except KeyboardInterrupt:
        sys.exit(f"making {sys.argv[1]} was interrupted; the next attempt starts again")
