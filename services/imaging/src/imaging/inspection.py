"""Rendering a local file as the worker would, for `imaging inspect`."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from imaging.bootstrap import make_pool
from imaging.domain import Rendering, Thumb
from imaging.settings import PictureSettings


def render(settings: PictureSettings, file: Path) -> Rendering:
    """Render `file` in a child process, within the limits of `settings`. Raise what `Pool.render` raises."""
    with closing(make_pool(settings)) as pool:
        return pool.render(file.read_bytes())


def write_thumbs(rendering: Rendering, folder: Path) -> Mapping[Path, Thumb]:
    """Write the thumbs and the display picture of `rendering` into `folder`, which is made if it is missing.

    Return them by path.
    """
    folder.mkdir(parents=True, exist_ok=True)
    thumbs = {
        folder / f"t{thumb.square}.{thumb.content_type.removeprefix('image/')}": thumb for thumb in rendering.encoded
    }
    for path, thumb in thumbs.items():
        path.write_bytes(thumb.data)
    return thumbs
