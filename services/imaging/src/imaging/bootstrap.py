"""Where the parts of imaging meet: settings become storage, limits, a pool for uploads."""

from concurrent.futures import ThreadPoolExecutor

from chassis.publisher import Publisher
from imaging.adapters.storage import Storage
from imaging.domain import Limits
from imaging.settings import ImagingSettings
from imaging.use_cases import Imaging


def make_imaging(settings: ImagingSettings, publisher: Publisher) -> Imaging:
    """Make what the use cases work with."""
    limits = Limits(settings.max_bytes, settings.max_pixels, settings.max_side, settings.formats)
    uploads = ThreadPoolExecutor(len(settings.squares) * settings.processes, thread_name_prefix="upload")
    return Imaging(Storage(settings), limits, settings.squares, uploads, publisher.publish)
