"""Recognises the encoding of a text file from all of its bytes, and reads it as UTF-8.

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
_MOST_INVALID = 0.1  # of the lines that are not ASCII: above this share, the file is not UTF-8 with a few damaged lines
# Frequent characters of Chinese text. Korean and Japanese bytes, read as GB18030, give rare characters instead.
_FREQUENT = frozenset(
    "的一是不了在人有我他这个们中来上大为和国地到以说时要就出会可也你对生能而子得于着下自之年过发后作里用道行所然家种事成方多经"
    "么去法学如都同现当没动面起看定天分还进好小部其些主样理心前开但因只从想实日者意无力它与长把机十民第公此已工使情明性知全三又"
    "关点正业外将两高间由问很最重并物手应战向头文体政美相见被利什二等产或新己制身果加西话合回特代内信表化老给位次度门任常先海通"
    "教东声提及比员解水名真论处走各入几口认条平系气题活别打女变四神总何电数安少报才结反受目太量再感建务做接必场件计管期市直资命"
    "价质买货款店服快递物流颜色尺码收到满意喜欢便宜客服包装推荐宝贝衣服裤鞋牌卖家评"
)
_HIGH = re.compile(rb"[\x80-\xff]+")
# Central European, Turkish and other letters, read as Western Windows text, become these within words
_NOT_WESTERN = re.compile(r"[A-Za-z][³¹²¿¼½¾¥¦¨¸¤§¶þðýÞÐÝŸª¬¯±µ»][a-z]")
_SMALL = 200  # characters: in a shorter file the frequent ones may be missing by chance


def _keep_invalid(error: UnicodeError) -> tuple[str, int]:
    """A codec error handler: a lone surrogate stands for the bad bytes, so that the value is invalid UTF-8 later."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\ud800", error.end


codecs.register_error("shopbatch.keep_invalid", _keep_invalid)


def open_bytes(file: Path) -> pa.NativeFile:
    """Open a file, or a compressed file (gz, bz2, zst) unpacked."""
    return pa.input_stream(str(file), compression="detect")


def read_utf8(file: Path, encoding: str) -> Iterator[bytes]:
    """Read a file as blocks of UTF-8 without byte order marks; bytes that are not of the encoding stay invalid."""
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
    if block:
        yield block


def _without_marks(block: bytes) -> bytes:
    while block.startswith(_BOM):
        block = block.removeprefix(_BOM)
    return block


def find_encoding(file: Path) -> str:
    """Return the name of a Python codec for the whole file.

    Raises:
        UserError: The file is neither UTF-8 (with a few damaged lines, which are refused one by one), UTF-16, GB18030
            nor Western Windows text.
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
    """Return the name of a codec that Python has. UserError for another name."""
    try:
        codec = codecs.lookup(name)
        "".encode(codec.name).decode(codec.name)
    except (LookupError, UnicodeError):
        raise UserError(f"--encoding {name!r}: no such encoding (try utf-8, gb18030, cp1252, latin-1, big5)") from None
    return UTF8 if codec.name in (UTF8, "utf-8-sig") else codec.name


def _utf16_without_mark(start: bytes) -> str | None:
    """UTF-16 of Western text has a zero in every second byte."""
    array = np.frombuffer(start[: len(start) // 2 * 2], np.uint8)
    if len(array) < 4:
        return None
    even, odd = (array[0::2] == 0).mean(), (array[1::2] == 0).mean()
    if odd > 0.4 and even < 0.05:
        return "utf-16-le"
    return "utf-16-be" if even > 0.4 and odd < 0.05 else None


def _count_lines(file: Path) -> tuple[int, int]:
    """How many lines hold bytes beyond ASCII, and how many of these are not UTF-8."""
    lines = invalid = 0
    for block in _whole_lines(file):
        if block.isascii():
            continue
        if _is_utf8(block) and not invalid:
            lines += 1  # enough as long as nothing is invalid
            continue
        for line in block.split(b"\n"):
            if not line.isascii():
                lines += 1
                invalid += not _is_utf8(line)
    return lines, invalid


def _whole_lines(file: Path) -> Iterator[bytes]:
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
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


@dataclass
class _Characters:
    """Counts of the characters beyond ASCII of a text. frequent: of those in `_FREQUENT`.

    maybe_korean: of those whose bytes are Hangul in EUC-KR, which are all characters of a Korean text and half of those
    of a Chinese one.
    """

    all: int = 0
    chinese: int = 0
    in_gb2312: int = 0
    frequent: int = 0
    kana: int = 0
    maybe_korean: int = 0

    def add(self, text: str) -> None:
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
    """Whether the whole file is GB18030, and reads like Chinese."""
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
    """Whether the bytes beyond ASCII read like those of Western Europe: single ones, and none that splits a word."""
    runs = single = 0
    for block in _whole_lines(file):
        found = _HIGH.findall(block)
        runs, single = runs + len(found), single + sum(len(run) == 1 for run in found)
        text = block.decode("cp1252", "replace")
        if "\ufffd" in text or _NOT_WESTERN.search(text):
            return False
    return single >= 0.6 * runs
