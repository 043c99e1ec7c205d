"""The site of the documents is built strictly, has all of them, and loads nothing from elsewhere."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.web.problem_pages import problems

ROOT = Path(__file__).parents[2]
SITE = ROOT / ".imghost" / "site" / "html"
MKDOCS = Path(sys.executable).with_name("mkdocs")
LOADED = re.compile(
    r'<(?:script|img|iframe)\b[^>]*\bsrc="?([^" >]+)|<link\b[^>]*\brel="?stylesheet"?[^>]*\bhref="?([^" >]+)'
)


@pytest.fixture(scope="module")
def built() -> Path:
    """The folder with the site."""
    subprocess.run(["make", "docs"], cwd=ROOT, check=True, timeout=280)
    return SITE


def test_every_document_of_the_repository_is_on_the_site(built: Path) -> None:
    # Not by git, which may not be here.
    documents = [str(path.relative_to(ROOT)) for path in ROOT.rglob("[!.]*.md")]
    ours = [each for each in documents if not re.search(r"(^|/)\.|(^|/)node_modules/", each)]
    assert len(ours) > 20
    assert {
        document
        for document in ours
        if not (built / re.sub(r"README\.md$", "index.html", document).replace(".md", ".html")).exists()
    } == set()
    for page in ("clients", "operators", "settings", "api", "problems"):
        assert (built / "site" / f"{page}.html").exists()


def test_pages_load_nothing_from_elsewhere(built: Path) -> None:
    pages = list(built.rglob("*.html"))
    loaded = {address for page in pages for found in LOADED.findall(page.read_text()) for address in found if address}
    assert len(loaded) > 3
    assert {address for address in loaded if re.match(r"(https?:)?//", address)} == set()


def test_every_code_of_a_problem_has_its_place(built: Path) -> None:
    text = (built / "site" / "problems.html").read_text()
    for code in problems():
        assert f'id="{code}"' in text


@pytest.mark.parametrize("link", ["none.md", "README.md#none", "/api/docs"])
def test_a_link_that_leads_nowhere_fails_the_build(tmp_path: Path, link: str) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "README.md").write_text(f"# One\n\n[somewhere]({link})\n")
    config = f"INHERIT: {ROOT}/mkdocs.yml\ndocs_dir: pages\nsite_dir: html\nnav: [README.md]\n"
    (tmp_path / "mkdocs.yml").write_text(config)
    done = subprocess.run([MKDOCS, "build"], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert link.partition("#")[2] in done.stderr
