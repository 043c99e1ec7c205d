"""Files that are no pictures, and pictures that are something else as well."""

import io
import zipfile
from collections.abc import Iterator

from bad_pictures.case import HARMLESS, MALFORMED, NO_PICTURE, RENDERED, TOO_LARGE, Case, encoded, noise


def _zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(zipfile.ZipInfo("a.txt"), "hello")
    return out.getvalue()


def cases() -> Iterator[Case]:
    """Yield the cases."""
    jpeg, png, gif = (encoded(noise(), name) for name in ("JPEG", "PNG", "GIF"))
    no_pictures = {
        "nothing": b"",
        "one-zero": b"\0",
        "a-thousand-zeros": bytes(1000),
        "a-megabyte-of-zeros": bytes(1 << 20),
        "a-thousand-ones": b"\xff" * 1000,
        "text": b"hello, world\n" * 20,
        "html": b"<!doctype html><html><script>alert(1)</script></html>",
        "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><script>alert(1)</script></svg>',
        "svg-with-an-entity-bomb": b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]><svg>&b;&b;</svg>',
        "pdf": b"%PDF-1.7\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF",
        "pdf-around-a-jpeg": b"%PDF-1.7\n1 0 obj<</Filter/DCTDecode>>stream\n" + jpeg + b"\nendstream\n%%EOF",
        "postscript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n{} loop\n",
        "zip": _zip(),
        "gzip": b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03\0\0\0\0\0\0\0\0\0",
        "elf": b"\x7fELF\x02\x01\x01" + bytes(60),
        "shell-script": b"#!/bin/sh\nrm -rf /\n",
        "json": b'{"image": true}',
        "python-pickle": b"\x80\x04\x95\x0b\0\0\0\0\0\0\0\x8c\x02os\x94\x8c\x06system\x94\x93\x94.",
        "mp4-video": b"\0\0\0\x18ftypisom\0\0\x02\0isomiso2" + bytes(100),
        "wav-in-riff": b"RIFF\x24\0\0\0WAVEfmt " + bytes(32),
        "icon": b"\0\0\x01\0\x01\0\x10\x10" + bytes(60),
        "photoshop": b"8BPS\0\x01" + bytes(60),
        "jpeg-2000": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40),
        "portable-pixmap": b"P6 2 2 255\n" + bytes(12),
        "targa": b"\0\0\x02" + bytes(9) + b"\x02\0\x02\0\x18\0" + bytes(12),
        "jpeg-behind-a-newline": b"\n" + jpeg,
        "png-behind-a-byte-order-mark": b"\xef\xbb\xbf" + png,
        "png-through-text-mode": png.replace(b"\r\n", b"\n"),
        "gif-of-another-version": b"GIF88a" + gif[6:],
        "jpeg-in-base64": b"/9j/4AAQSkZJRgABAQAAAQABAAD",
        "start-of-a-jpeg": jpeg[:2],
        "start-of-a-png": png[:4],
        "start-of-a-gif": gif[:4],
        "riff-without-its-kind": b"RIFF\x10\0\0\0",
    }
    for name, data in no_pictures.items():
        yield Case(f"stranger-{name}", "no picture", data, NO_PICTURE)
    both = {
        "jpeg-and-zip": jpeg + _zip(),
        "gif-and-zip": gif + _zip(),
        "png-and-html": png + b"<html><script>alert(1)</script></html>",
        "gif-that-is-script": gif[:6] + gif[6:] + b"*/=1;alert(1)",
        "jpeg-and-a-megabyte-of-zeros": jpeg + bytes(1 << 20),
        "jpeg-and-jpeg": jpeg + jpeg,
    }
    for name, data in both.items():
        yield Case(f"polyglot-{name}", "polyglot", data, frozenset({RENDERED}))
    png_magic_on_jpeg = png[:8] + jpeg
    yield Case("magic-of-png-on-a-jpeg", "lying header", png_magic_on_jpeg, MALFORMED)
    yield Case("magic-of-gif-on-a-png", "lying header", b"GIF89a" + png, HARMLESS | TOO_LARGE)
    yield Case("magic-of-jpeg-on-html", "lying header", b"\xff\xd8\xff\xe0<html></html>", MALFORMED)
    yield Case("magic-of-bmp-on-text", "lying header", b"BM is how this text begins" * 4, MALFORMED)
    yield Case("magic-of-tiff-on-text", "lying header", b"II*\0 is how this text begins" * 4, MALFORMED)
    yield Case("magic-of-webp-on-nothing", "lying header", b"RIFF\x0c\0\0\0WEBPVP8L\0\0\0\0", MALFORMED)
    yield Case("magic-of-avif-on-nothing", "lying header", b"\0\0\0\x10ftypavif\0\0\0\0", MALFORMED)
    yield Case("magic-of-heic-on-nothing", "lying header", b"\0\0\0\x14ftypheic\0\0\0\0heic", MALFORMED)
