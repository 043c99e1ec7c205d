"""What pages show of images and collections, as catalog tells of them in public."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

Document = Mapping[str, Any]

# As many characters as others show of a description.
_SUMMARY = 300
# The height of a row of the grid, in pixels of CSS. Pictures are made wider to fill their row, by a third at most.
_ROW, _STRETCH = 240, 4 / 3
# In tenths of the height; there is a class for each in pages.css.
_NARROWEST, _SQUARE, _WIDEST = 5, 10, 40


@dataclass(frozen=True)
class Rendition:
    """A picture that browsers can show: its address, and its size in pixels."""

    url: str
    width: int
    height: int

    def within(self, max_width: int, max_height: int) -> "Rendition":
        """Return it with a size that fits into `max_width` and `max_height`, to be scaled down to."""
        scale = min(1, max_width / self.width, max_height / self.height)
        return Rendition(self.url, max(1, int(self.width * scale)), max(1, int(self.height * scale)))


@dataclass(frozen=True)
class Picture:
    """An image with the addresses of its own page in `path`."""

    document: Document
    path: str

    @property
    def s3_key(self) -> str:
        """The key of the original in S3."""
        return str(self.document["s3_key"])

    @property
    def url(self) -> str:
        """The address of the original, which browsers may not be able to show."""
        return str(self.document["url"])

    @property
    def title(self) -> str:
        """The title, or the name of the file."""
        return str(self.document["title"]) or self.s3_key.rpartition("/")[2]

    @property
    def description(self) -> str:
        """What the owner has written, in as many lines as they like."""
        return str(self.document["description"])

    @property
    def summary(self) -> str:
        """The beginning of the description in one line."""
        return summary(self.description)

    @property
    def status(self) -> str:
        """`pending`, `ready` or `failed`."""
        return str(self.document["status"])

    @property
    def colors(self) -> Sequence[str]:
        """The palette, the most dominant colour first."""
        return list(self.document["colors"])

    @property
    def date(self) -> datetime:
        """When it was registered."""
        return datetime.fromisoformat(self.document["date_created"])

    @property
    def updated(self) -> str:
        """When it was changed for the last time, where catalog tells that."""
        return str(self.document["date_updated"])

    @property
    def size(self) -> Rendition | None:
        """The original with its size, None while that is not known."""
        size = self.document["size"]
        return Rendition(self.url, size["width"], size["height"]) if size else None

    @cached_property
    def thumbs(self) -> Sequence[Rendition]:
        """The thumbs, smallest first."""
        return [Rendition(each["url"], **each["size"]) for each in self.document["thumbs"]]

    @cached_property
    def display(self) -> Rendition | None:
        """What is shown instead of the original, None where that is shown."""
        display = self.document.get("display")  # a catalog of an earlier release tells of none
        return Rendition(display["url"], **display["size"]) if display else None

    @property
    def largest(self) -> Rendition | None:
        """The largest thumb, None while there is none."""
        return self.thumbs[-1] if self.thumbs else None

    @property
    def srcset(self) -> str:
        """The thumbs for `srcset`. Several have the same width if the original is small: one of them counts."""
        by_width = {thumb.width: thumb.url for thumb in reversed(self.thumbs)}
        return ", ".join(f"{by_width[width]} {width}w" for width in sorted(by_width))

    @property
    def whole_srcset(self) -> str:
        """The thumbs and the original, or what is shown instead of it, for `srcset`."""
        whole, largest = self.display or self.size, self.largest
        if whole is None or largest is None or whole.width <= largest.width:
            return self.srcset
        return f"{self.srcset}, {whole.url} {whole.width}w"

    @property
    def tenths(self) -> int:
        """Its width in tenths of its height, as the grid knows it: very wide and very high ones are cut off there."""
        largest = self.largest
        return min(max(round(10 * largest.width / largest.height), _NARROWEST), _WIDEST) if largest else _SQUARE

    @property
    def width_in_grid(self) -> int:
        """How wide it is in the grid at most, in pixels of CSS."""
        largest = self.largest
        return round(_ROW * _STRETCH * largest.width / largest.height) if largest else _ROW

    @property
    def addresses(self) -> Sequence[str]:
        """The addresses of all pictures that a page of it may load."""
        return [self.url, *(thumb.url for thumb in self.thumbs), *([self.display.url] if self.display else [])]


@dataclass(frozen=True)
class Album:
    """A collection, or a page of it, with its images."""

    document: Document
    pictures: Sequence[Picture] = ()

    @property
    def name(self) -> str:
        """The name, which is unique in the whole service."""
        return str(self.document["name"])

    @property
    def title(self) -> str:
        """The title, or the name."""
        return str(self.document.get("title") or self.name)

    @property
    def description(self) -> str:
        """What the owner has written, in as many lines as they like."""
        return str(self.document.get("description", ""))

    @property
    def summary(self) -> str:
        """The beginning of the description in one line."""
        return summary(self.description)

    @property
    def cover(self) -> Picture | None:
        """The image that stands for it, as far as those here are known: its cover, or the first that has thumbs."""
        shown = [picture for picture in self.pictures if picture.thumbs]
        chosen = self.document.get("cover")
        return next((picture for picture in shown if picture.s3_key == chosen), shown[0] if shown else None)

    @property
    def updated(self) -> str:
        """When an image here, or the collection itself, was changed for the last time."""
        return max([str(self.document["date_created"]), *(picture.updated for picture in self.pictures)])


def summary(text: str) -> str:
    """Return the beginning of `text` in one line."""
    line = " ".join(text.split())
    return line if len(line) <= _SUMMARY else f"{line[: _SUMMARY - 1]}…"
