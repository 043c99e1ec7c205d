"""Recognition: the name of a file's format by its first bytes, so that a refusal can say what the file is."""

import re

# What a file of a format begins with, by the format's name; the longer of two that match stands first.
_BEGINNINGS = (
    (b"\xff\xd8\xff\xf7", "JPEG-LS"),
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF8", "GIF"),
    (b"BM", "BMP"),
    (b"\xff\x0a", "JPEG XL"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    (b"II\xbc", "JPEG XR"),
    (b"8BPS", "PSD"),
    (b"%PDF", "PDF"),
    (b"%!PS", "PostScript"),
    (b"\xc5\xd0\xd3\xc6", "PostScript"),
    (b"\0\0\1\0", "ICO"),
    (b"icns", "ICNS"),
    (b"qoif", "QOI"),
    (b"v/1\1", "OpenEXR"),
    (b"#?RADIANCE", "Radiance HDR"),
    (b"DDS ", "DDS"),
    (b"gimp xcf", "XCF"),
    (b"AT&TFORM", "DjVu"),
    (b"FLIF", "FLIF"),
    (b"BPG\xfb", "BPG"),
    (b"\xd7\xcd\xc6\x9a", "WMF"),
    (b"FUJIFILMCCD-RAW", "raw (RAF)"),
    (b"IIU\0", "raw (RW2)"),
    (b"IIRO", "raw (ORF)"),
    (b"IIRS", "raw (ORF)"),
    (b"MMOR", "raw (ORF)"),
    (b"II\x1a\0\0\0HEAPCCDR", "raw (CRW)"),
    (b"FOVb", "raw (X3F)"),
    (b"\0MRM", "raw (MRW)"),
    (b"II*\0", "TIFF"),
    (b"MM\0*", "TIFF"),
    (b"II+\0", "TIFF"),
    (b"MM\0+", "TIFF"),
)
_BRANDS = {b"crx ": "raw (CR3)", b"avif": "AVIF", b"avis": "AVIF", b"heic": "HEIF", b"heix": "HEIF", b"hevc": "HEIF"}
# Comments and a document type may stand before the root of an SVG; nobody needs more than this of them.
_SVG_WITHIN = 4096
_SVG = re.compile(rb"\s*(<\?xml|<!--|<!DOCTYPE|<svg|<svg:svg)", re.IGNORECASE)


def name_of(data: bytes) -> str | None:
    """Return the name of the format that `data` begins like, whether it is taken or not; None for anything else."""
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12])
    start = data[:_SVG_WITHIN].removeprefix(b"\xef\xbb\xbf")
    return "SVG" if _SVG.match(start) and re.search(rb"<(svg:)?svg[\s>]", start, re.IGNORECASE) else None
