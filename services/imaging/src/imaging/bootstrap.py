"""What the worker and `imaging inspect` both need, made from settings."""

from imaging.domain import Limits
from imaging.sandbox.pool import Bounds, Pool
from imaging.settings import PictureSettings


def make_pool(settings: PictureSettings) -> Pool:
    """Return the pool of child processes that pictures are decoded in; the caller closes it."""
    limits = Limits(
        settings.max_bytes, settings.max_pixels, settings.max_side, settings.decode_memory_bytes, settings.formats
    )
    bounds = Bounds(settings.decode_cpu_s, settings.decode_wall_s)
    return Pool(settings.processes, limits, settings.squares, bounds, display=settings.display_pictures)
