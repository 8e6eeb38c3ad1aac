"""Recognises the encoding of a text file from all of its bytes, and reads the file as UTF-8.

UTF-8 (with any number of byte order marks), UTF-16, GB18030 and Western Windows text are recognised; for others the
user names the encoding.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from shopbatch.core.errors import UserError

UTF8 = "utf-8"
BLOCK_BYTES = 4 * 2**20
_BOM = b"\xef\xbb\xbf"
_MARKS = {b"\xff\xfe\x00\x00": "utf-32", b"\x00\x00\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
_MOST_INVALID = 0.1  # share of the non-ASCII lines; with more invalid ones, the file is not damaged UTF-8
# Frequent characters of Chinese text. Korean or Japanese text decoded as GB18030 gives rare characters instead.
_FREQUENT = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子得于着下自之年过发后作里用道行所然家种事成方多经"
    "么去法学如都同现当没动面起看定天分还进好小部其些主样理心前开但因只从想实日者意无力它与长把机十民第公此已工使情明性知全三又"
    "关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西话合回特代内信表化老给位次度门任常先海通"
    "教东声提及比员解水名真论处走各入几口认条平系气题活别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直资命"
    "价质买货款店服快递物流颜色尺码收到满意喜欢便宜客服包装推荐宝贝衣服裤鞋牌卖家评"
)
_HIGH = re.compile(rb"[\x80-\xff]+")
# Central European, Turkish and other letters, decoded as cp1252, become these symbols inside words
_NOT_WESTERN = re.compile(r"[A-Za-z][³¹²¿¼½¾¥¦¨¸¤§¶þðýÞÐÝŸª¬¯±µ»][a-z]")
_SMALL = 200  # Chinese characters: a shorter text may lack the frequent ones by chance


def _keep_invalid(error: UnicodeError) -> tuple[str, int]:
    """Codec error handler that replaces undecodable bytes by a lone surrogate.

    A lone surrogate is invalid in UTF-8, so the value is refused later.
    """
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ud800", error.end


codecs.register_error("shopbatch.keep_invalid", _keep_invalid)


def open_bytes(file: Path) -> pa.NativeFile:
    """Open a file for reading bytes; a compressed one (gz, bz2, zst) is unpacked on the fly."""
    return pa.input_stream(str(file), compression="detect")


def read_utf8(file: Path, encoding: str) -> Iterator[bytes]:
    """Read a file as blocks of UTF-8 without byte order marks at its beginning.

    Bytes that are invalid in the encoding stay invalid UTF-8, so that the value is refused later.

    Args:
        file: The file.
        encoding: A Python codec, such as `find_encoding` returns.
    """
    decoder = None if encoding == UTF8 else codecs.getincrementaldecoder(encoding)("shopbatch.keep_invalid")
    started = False
    with closing(open_bytes(file)) as stream:
        while block := stream.read(BLOCK_BYTES):
            if decoder is not None:
                block = decoder.decode(block).encode("utf-8", "surrogatepass")
            yield from _nonempty(block if started else _without_marks(block))
            started = True
        if decoder is not None:
            yield from _nonempty(decoder.decode(b"", final=True).encode("utf-8", "surrogatepass"))


def _nonempty(block: bytes) -> Iterator[bytes]:
    """Yield the block unless it is empty."""
    if block:
        yield block


def _without_marks(block: bytes) -> bytes:
    """Return the block without byte order marks at its beginning."""
    while block.startswith(_BOM):
        block = block.removeprefix(_BOM)
    return block


def find_encoding(file: Path) -> str:
    """Return the name of the Python codec for a text file, such as `utf-8`, `utf-16`, `gb18030` or `cp1252`.

    Args:
        file: The file, all of which is read.

    Raises:
        UserError: The encoding is not recognised. UTF-8 with a few invalid lines is recognised; these are refused
            later.
    """
    with closing(open_bytes(file)) as stream:
        start = stream.read(4096)
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    if wide := _utf16_without_mark(start):
        return wide
    lines, invalid = _count_lines(file)
    if not invalid:
        return UTF8
    if _is_chinese(file):
        return "gb18030"
    if invalid <= max(1, _MOST_INVALID * lines):
        return UTF8
    if _is_western(file):
        return "cp1252"
    raise UserError(
        f"{file}: {invalid:,} of {lines:,} lines that are not plain ASCII are not UTF-8 either; say what the file is: "
        "--encoding cp1252 (Western Windows), big5, shift_jis, euc_kr, ..."
    )


def check_encoding(name: str) -> str:
    """Return the normalised name of a codec that the user named. UserError if Python has no such text codec."""
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name).decode(codec.name)
    except (LookupError, UnicodeError):
        raise UserError(f"--encoding {name!r}: no such encoding (try utf-8, gb18030, cp1252, latin-1, big5)") from None
    return UTF8 if codec.name in (UTF8, "utf-8-sig") else codec.name


def _utf16_without_mark(start: bytes) -> str | None:
    """Return the codec of UTF-16 without a byte order mark, or None.

    Western text in UTF-16 is recognised by a zero in every second byte.
    """
    array = np.frombuffer(start[: len(start) // 2 * 2], np.uint8)
    if len(array) < 4:
        return None
    even, odd = (array[0::2] == 0).mean(), (array[1::2] == 0).mean()
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.05 else None


def _count_lines(file: Path) -> tuple[int, int]:
    """Count the lines with bytes beyond ASCII, and return this number and how many of the lines are not valid UTF-8.

    If no line is invalid, the first number is only a lower bound.
    """
    lines = invalid = 0
    for block in _whole_lines(file):
        if block.isascii():
            continue
        if _is_utf8(block) and not invalid:
            lines += 1  # a lower bound of the lines, enough as long as no line is invalid
            continue
        for line in block.split(b"\n"):
            if not line.isascii():
                lines += 1
                invalid += not _is_utf8(line)
    return lines, invalid


def _whole_lines(file: Path) -> Iterator[bytes]:
    """Yield the file in blocks that end at a line break."""
    rest = b""
    with closing(open_bytes(file)) as stream:
        while block := stream.read(BLOCK_BYTES):
            whole, newline, tail = (rest + block).rpartition(b"\n")
            if newline:
                yield whole
            rest = tail
    if rest:
        yield rest


def _is_utf8(data: bytes) -> bool:
    """Return True if the bytes are valid UTF-8."""
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class _Characters:
    """Counts of the characters beyond ASCII in a text that was decoded as GB18030.

    Attributes:
        all: All of them.
        chinese: Chinese characters.
        in_gb2312: Characters of the older, smaller set GB2312.
        frequent: Characters that are frequent in Chinese text (`_FREQUENT`).
        kana: Japanese kana.
        maybe_korean: Characters whose bytes would be Hangul in EUC-KR: all characters of a Korean text, and half of
            those of a Chinese one.
    """

    all: int = 0
    chinese: int = 0
    in_gb2312: int = 0
    frequent: int = 0
    kana: int = 0
    maybe_korean: int = 0

    def add(self, text: str) -> None:
        """Count the characters of a text."""
        for character in text:
            code = ord(character)
            if code < 128:
                continue
            self.all += 1
            self.kana += 0x3040 <= code <= 0x30FF
            self.chinese += 0x4E00 <= code <= 0x9FFF
            self.frequent += character in _FREQUENT
            encoded = character.encode("gb18030", "replace")
            in_gb2312 = len(encoded) == 2 and encoded[0] <= 0xF7 and encoded[1] >= 0xA1
            self.in_gb2312 += in_gb2312
            self.maybe_korean += in_gb2312 and 0xB0 <= encoded[0] <= 0xC8


def _is_chinese(file: Path) -> bool:
    """Return True if the whole file is valid GB18030 and its characters are typical of Chinese text."""
    decoder = codecs.getincrementaldecoder("gb18030")("strict")
    counts = _Characters()
    try:
        with closing(open_bytes(file)) as stream:
            while block := stream.read(BLOCK_BYTES):
                text = decoder.decode(block)
                if counts.all < 100_000:
                    counts.add(text)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    if counts.in_gb2312 < 0.9 * counts.all or counts.kana > 0.05 * counts.all or counts.chinese < 0.6 * counts.all:
        return False
    if counts.maybe_korean >= 0.9 * counts.chinese:
        return counts.frequent >= 0.3 * counts.chinese
    return counts.chinese < _SMALL or counts.frequent >= 0.12 * counts.chinese


def _is_western(file: Path) -> bool:
    """Return True if the file reads like Western Windows text (cp1252).

    Most bytes beyond ASCII must stand between ASCII bytes, as an accented letter does in a Western word, and none may
    become a symbol in the middle of a word.
    """
    runs = single = 0
    for block in _whole_lines(file):
        found = _HIGH.findall(block)
        runs, single = runs + len(found), single + sum(len(run) == 1 for run in found)
        text = block.decode("cp1252", "replace")
        if "\ufffd" in text or _NOT_WESTERN.search(text):
            return False
    return single >= 0.6 * runs
