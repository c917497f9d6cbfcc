r"""What the literals of protobuf's text format stand for.

Source: the Text Format Language Specification of Protocol Buffers, "Numeric Literals" and "String Literals"; like the
reader in C++, it also takes `\X` and pairs of surrogates.
"""

import re

_INTEGER = re.compile(r"(?P<octal>0[0-7]+)|(?P<hexadecimal>0[xX][0-9a-fA-F]+)|(?P<decimal>0|[1-9][0-9]*)")
_DOUBLE = re.compile(r"(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?[fF]?")
_MOST_DIGITS = 400
"""Of a number: enough for every double; Python refuses to read integers of thousands of digits."""

_ESCAPE = re.compile(
    r"\\(?:(?P<octal>[0-7]{1,3})|[xX](?P<byte>[0-9a-fA-F]{1,2})"
    r"|u(?P<high>[dD][89abAB][0-9a-fA-F]{2})\\u(?P<low>[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|(?:u(?P<short>[0-9a-fA-F]{4})|U(?P<long>[0-9a-fA-F]{8}))|(?P<simple>[abfnrtv?\\'\"]))"
)
_SIMPLE = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "?": 63, "\\": 92, "'": 39, '"': 34}
_MAX_CODE_POINT = 0x10FFFF


def parse_integer(text: str) -> int | None:
    """Returns what a decimal, octal or hexadecimal integer without a sign stands for; None if it is none."""
    match = _INTEGER.fullmatch(text)
    if match is None or len(text) > _MOST_DIGITS:
        return None
    bases = {"octal": 8, "hexadecimal": 16, "decimal": 10}
    return int(text, bases[match.lastgroup or "decimal"])


def parse_double(text: str) -> float | None:
    """Returns what a decimal number without a sign stands for, infinity if it is too large; None if it is none."""
    if _DOUBLE.fullmatch(text) is None or len(text) > _MOST_DIGITS:
        return None
    return float(text.rstrip("fF"))


def unescape(literal: str) -> bytes | str:
    """Returns the bytes that a quoted text stands for; or, as a text, the escape that is wrong.

    Args:
        literal: with its quotes.
    """
    body, parts, at = literal[1:-1], list[bytes](), 0
    while (backslash := body.find("\\", at)) >= 0:
        parts.append(body[at:backslash].encode())
        match = _ESCAPE.match(body, backslash)
        meant = None if match is None else _escaped(match)
        if match is None or meant is None:
            return body[backslash : backslash + 10]
        parts.append(meant)
        at = match.end()
    return b"".join([*parts, body[at:].encode()])


def _escaped(match: re.Match[str]) -> bytes | None:
    groups = match.groupdict()
    if groups["octal"]:
        number = int(groups["octal"], 8)
        return bytes([number]) if number < 256 else None
    if groups["byte"]:
        return bytes([int(groups["byte"], 16)])
    if groups["simple"]:
        return bytes([_SIMPLE[groups["simple"]]])
    if groups["high"]:
        return bytes.fromhex(groups["high"] + groups["low"]).decode("utf-16-be").encode()
    code = int(groups["short"] or groups["long"], 16)
    is_character = code <= _MAX_CODE_POINT and not 0xD800 <= code <= 0xDFFF
    return chr(code).encode() if is_character else None
