"""Where the parts of imaging meet: settings become storage, limits, a pool for uploads."""

from concurrent.futures import ThreadPoolExecutor

from chassis.broker.publisher import Publisher
from imaging.adapters.storage import Storage
from imaging.domain import Limits
from imaging.sandbox.pool import Bounds, Pool
from imaging.settings import ImagingSettings, PictureSettings
from imaging.use_cases import Imaging


def make_pool(settings: PictureSettings) -> Pool:
    """Make the pool of children that pictures are decoded in; the caller closes it."""
    limits = Limits(
        settings.max_bytes, settings.max_pixels, settings.max_side, settings.decode_memory_bytes, settings.formats
    )
    return Pool(settings.processes, limits, settings.squares, Bounds(settings.decode_cpu_s, settings.decode_wall_s))


def make_imaging(settings: ImagingSettings, pool: Pool, publisher: Publisher) -> Imaging:
    """Make what the use cases work with."""
    uploads = ThreadPoolExecutor(len(settings.squares) * settings.processes, thread_name_prefix="upload")
    return Imaging(Storage(settings), pool.render, uploads, publisher.publish)
