"""Make a virtual environment from one lock, and install the packages of this repository into it as they lie here.

Usage: environment.py VENV LOCK PACKAGE...   Only the standard library: this runs before anything is installed.
"""

import subprocess
import sys
import venv
from pathlib import Path


def main() -> None:
    """Create VENV if it is missing, install LOCK with its hashes checked, then every PACKAGE in place."""
    target, lock, packages = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    python = target / "bin" / "python"
    if sys.version_info < (3, 11):
        sys.exit(f"imghost needs Python 3.11 or newer; this is {sys.version.split()[0]}. Set PYTHON=python3.x.")
    if not python.exists():
        print(f"making {target} ...", flush=True)
        try:
            venv.create(target, with_pip=True, clear=True)
        except subprocess.CalledProcessError:
            sys.exit("this Python makes no virtual environments; on Debian or Ubuntu: apt install python3-venv")
    print(f"installing {lock} ...", flush=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    try:
        subprocess.run([*pip, "--require-hashes", "--requirement", lock], check=True)
        editable = [word for package in packages for word in ("--editable", package)]
        subprocess.run([*pip, "--no-deps", "--no-build-isolation", *editable], check=True)
    except subprocess.CalledProcessError:
        sys.exit(f"installing {lock} failed; pip says why above")


if __name__ == "__main__":
    main()
