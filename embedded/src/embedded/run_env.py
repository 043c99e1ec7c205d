"""`.imghost/run.env`: how other programs reach a run that is ready. There while it lives, and only then."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def render(values: Mapping[str, str]) -> str:
    """Return the lines of a file that a shell can source."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


@contextmanager
def published(path: Path, values: Mapping[str, str]) -> Iterator[None]:
    """Keep the file there, readable by its owner only; it appears whole."""
    draft = path.with_suffix(".draft")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(render(values))
        draft.replace(path)
        yield
    finally:
        draft.unlink(missing_ok=True)
        path.unlink(missing_ok=True)
