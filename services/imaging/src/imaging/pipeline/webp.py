"""The sides of a WebP as its first bytes tell them (RFC 9649): opening the decoder takes memory for two canvases."""

_BYTES = 30


def canvas(data: bytes) -> tuple[int, int]:
    """Give (width, height) of the WebP in DATA, (0, 0) for anything else; nothing is promised of the rest of DATA."""
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
