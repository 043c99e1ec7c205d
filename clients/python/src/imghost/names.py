"""Names of files, and those that keys can have."""

import unicodedata
from pathlib import Path

EXTENSIONS = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jpe", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
)
"""Of pictures that imghost knows. It goes by the content; this is to choose files in folders."""
_LONGEST_BYTES = 255


def is_picture(path: Path) -> bool:
    """Return whether a file in a folder is one to upload, by its name: hidden ones are not."""
    return path.suffix.lower() in EXTENSIONS and not path.name.startswith(".")


def file_name(name: str) -> str:
    """Return `name` as the last segment of a key: what no key may have is replaced by `_`, what is too long is cut."""
    name = "".join("_" if char == "/" or unicodedata.category(char) in {"Cc", "Cs"} else char for char in name)
    name = name.replace("${filename}", "_{filename}")  # S3 would put something else there
    if name in {"", ".", ".."}:
        return "_"
    stem, dot, extension = name.rpartition(".")
    room = _LONGEST_BYTES - len((dot + extension).encode())
    if len(name.encode()) <= _LONGEST_BYTES:
        return name
    if not stem or room <= 0:
        return name.encode()[:_LONGEST_BYTES].decode(errors="ignore")
    return stem.encode()[:room].decode(errors="ignore") + dot + extension
