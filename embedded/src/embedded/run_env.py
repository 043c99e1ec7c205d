"""Write `.imghost/run.env`, which says how to reach a run that is ready, and remove it when the run ends."""

import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path


def render(values: Mapping[str, str]) -> str:
    """Return `values` as lines that a shell can source."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


@contextmanager
def published(path: Path, values: Mapping[str, str]) -> Iterator[None]:
    """Keep the file at `path` within this context, readable by its owner only. It never exists half written."""
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
