"""`imaging inspect`: what the worker would make of a local file."""

from pathlib import Path

from click.testing import CliRunner

from imaging.cli import main
from pictures import decoded, photo


def test_inspect_shows_the_picture_and_writes_its_thumbs(tmp_path: Path) -> None:
    file, folder = tmp_path / "photo.jpg", tmp_path / "thumbs"
    file.write_bytes(photo(1200, 800))
    shown = CliRunner().invoke(main, ["inspect", str(file), "--thumbs", str(folder)])
    assert shown.exit_code == 0, shown.output
    assert "1200 x 800 pixels, image/jpeg" in shown.output
    assert shown.output.count("#") == 3
    sizes = {path.name: decoded(path.read_bytes()).size for path in folder.iterdir()}
    assert sizes == {"t64.jpeg": (64, 43), "t128.jpeg": (128, 85), "t256.jpeg": (256, 171), "t512.jpeg": (512, 341)}


def test_inspect_says_why_a_picture_would_fail(tmp_path: Path) -> None:
    file = tmp_path / "page.jpg"
    file.write_bytes(b"<html></html>")
    shown = CliRunner().invoke(main, ["inspect", str(file)])
    assert shown.exit_code == 1
    assert "would end as failed, unsupported-format" in shown.output
    assert list(tmp_path.iterdir()) == [file]
