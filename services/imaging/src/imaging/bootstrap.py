"""Where the parts of imaging meet: settings become storage, limits, a pool for uploads."""

from concurrent.futures import ThreadPoolExecutor

from chassis.publisher import Publisher
from imaging.adapters.storage import Storage
from imaging.domain import Limits
from imaging.sandbox.pool import Bounds, Pool
from imaging.settings import ImagingSettings
from imaging.use_cases import Imaging


def make_imaging(settings: ImagingSettings, publisher: Publisher) -> tuple[Imaging, Pool]:
    """Make what the use cases work with, and the pool in it, which the caller closes."""
    limits = Limits(
        settings.max_bytes, settings.max_pixels, settings.max_side, settings.decode_memory_bytes, settings.formats
    )
    pool = Pool(settings.processes, limits, settings.squares, Bounds(settings.decode_cpu_s, settings.decode_wall_s))
    uploads = ThreadPoolExecutor(len(settings.squares) * settings.processes, thread_name_prefix="upload")
    return Imaging(Storage(settings), pool.render, uploads, publisher.publish), pool
