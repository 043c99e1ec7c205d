"""Write the version of the file VERSION wherever it is said. With `--check`, only compare.

Packages need it in their own metadata, and manifests in the tags of images and in the names of the jobs of a release.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("libs/chassis", "services/auth", "services/catalog", "services/imaging", "gateway", "clients/python")
NUMBER = r"[0-9]+\.[0-9]+\.[0-9]+"
DASHED = r"[0-9]+-[0-9]+-[0-9]+"
# Where it is, by kind of file.
IN_PACKAGES = re.compile(rf'(?<=^version = "){NUMBER}(?="$)', re.MULTILINE)
IN_THE_DOCUMENT = re.compile(rf"(?<=^  version: ){NUMBER}$", re.MULTILINE)
IN_TAGS = re.compile(rf"(\bimghost-[a-z0-9-]+(?::|, newTag: )){NUMBER}\b")
IN_JOBS = re.compile(rf"(\b(?:auth-migrate|catalog-migrate|s3-setup|create-signing-key)-){DASHED}\b")


def version(root: Path = ROOT) -> str:
    """Return the version of this tree. Raise `ValueError` if the file does not hold one."""
    text = (root / "VERSION").read_text().strip()
    if not re.fullmatch(NUMBER, text):
        raise ValueError(f"VERSION holds {text!r}, which is no version such as 1.2.3")
    return text


def texts(root: Path = ROOT) -> Iterator[tuple[Path, str]]:
    """Yield each file that says the version, and what its text has to be."""
    here = version(root)
    for package in PACKAGES:
        file = root / package / "pyproject.toml"
        yield file, IN_PACKAGES.sub(here, file.read_text(), count=1)
    document = root / "gateway" / "src" / "gateway" / "openapi.yaml"
    yield document, IN_THE_DOCUMENT.sub(here, document.read_text(), count=1)
    for file in sorted((root / "k8s").rglob("*")):
        if file.suffix in {".yaml", ".md"}:
            text = IN_TAGS.sub(rf"\g<1>{here}", file.read_text())
            yield file, IN_JOBS.sub(rf"\g<1>{here.replace('.', '-')}", text)


def outdated(root: Path = ROOT) -> Mapping[Path, str]:
    """Return the files that say another version, with their new texts."""
    return {file: text for file, text in texts(root) if file.read_text() != text}


def main() -> None:
    """Update the files; with `--check`, exit with code 1 if one says another version."""
    wrong = outdated()
    if "--check" in sys.argv:
        if wrong:
            names = ", ".join(str(file.relative_to(ROOT)) for file in wrong)
            sys.exit(f"another version than that of VERSION is said in {names}: run make format")
        return
    for file, text in wrong.items():
        file.write_text(text)


if __name__ == "__main__":
    main()
