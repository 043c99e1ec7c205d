"""Answers that are read at start and served from memory: compressed for who takes that, and not sent again."""

import gzip
import hashlib
from dataclasses import dataclass
from functools import cached_property

from flask import Response, request

from chassis.web import etags

_SMALLEST_BYTES = 500
"""Below this a compressed body saves nothing worth a header."""


@dataclass(frozen=True)
class StaticAnswer:
    """An answer that does not change while the process runs."""

    body: bytes
    content_type: str
    headers: dict[str, str]

    @cached_property
    def tag(self) -> str:
        """What names this body among others."""
        return hashlib.sha256(self.body).hexdigest()[:32]

    @cached_property
    def compressed(self) -> bytes | None:
        """The body by gzip; None if that is not smaller, as of pictures."""
        if len(self.body) < _SMALLEST_BYTES:
            return None
        found = gzip.compress(self.body, mtime=0)
        return found if len(found) < len(self.body) else None

    def present(self) -> Response:
        """Return it for the current request, or a 304 if the client has it."""
        headers = dict(self.headers)
        if self.compressed is None:
            response = Response(self.body, content_type=self.content_type, headers=headers)
            return etags.conditional(request, response, self.tag)
        headers["Vary"] = "Accept-Encoding"
        if request.accept_encodings["gzip"] <= 0:
            response = Response(self.body, content_type=self.content_type, headers=headers)
            return etags.conditional(request, response, self.tag)
        headers["Content-Encoding"] = "gzip"
        response = Response(self.compressed, content_type=self.content_type, headers=headers)
        return etags.conditional(request, response, f"{self.tag}-gzip")
