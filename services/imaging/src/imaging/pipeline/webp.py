"""The size of a WebP from its first bytes (RFC 9649): opening the decoder already takes memory for two canvases."""

_BYTES = 30


def canvas(data: bytes) -> tuple[int, int]:
    """Return (width, height) of the WebP in `data`, (0, 0) for anything else; the rest of `data` is not checked."""
    if len(data) < _BYTES or data[:4] != b"RIFF" or data[8:12] != b"WEBP":
        return 0, 0
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        return int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    return 0, 0
