"""What a user's file may take, before it is read: how large it becomes when unpacked, how long one line is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from shopbatch.core.errors import UserError, one_line
from shopbatch.load.encodings import BLOCK_BYTES, open_bytes

GB = 10**9
LARGE_BYTES = GB  # what becomes larger than this when unpacked ...
LARGEST_RATIO = 100  # ... must not have been compressed further than this
MOST_GB = 100.0  # what a compressed file may become if the user says nothing else
WORKBOOK_GB = 4.0  # the same of the memory for a workbook
WORKBOOK_SECONDS = 600
LONGEST_LINE = 16 * 2**20
COMPRESSED = (".gz", ".bz2", ".zst")

# a process of its own: a workbook of a few bytes can ask for more memory than there is, which would end this one
_TRIAL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[2]),) * 2)
resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[3]),) * 2)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
from python_calamine import CalamineWorkbook, PasswordError
try:
    with CalamineWorkbook.from_path(sys.argv[1]) as workbook:
        for name in workbook.sheet_names:
            workbook.get_sheet_by_name(name)
except PasswordError:
    pass
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}"[:300])
"""


def refuse_bomb(path: Path, size: int, packed: int, most_gb: float | None) -> None:
    """Refuse a small file that would fill the disk or take for ever. A bound that the user has stated is the only one.

    Args:
        path: The compressed file.
        size: Bytes that it becomes, or more.
        packed: Bytes that it has.
        most_gb: What the user allows.
    """
    is_bomb = most_gb is None and size > LARGE_BYTES and size > LARGEST_RATIO * packed
    if is_bomb or size > (MOST_GB if most_gb is None else most_gb) * GB:
        raise UserError(
            f"{path}: {packed:,} bytes would become {size:,} or more; if that is meant, say how many GB it may become: "
            f"--max-unpacked {-(-size // GB) * 2}"
        )


def check_text(file: Path, most_gb: float | None = None) -> None:
    """Check that a file of lines can be read in bounded memory.

    Raises:
        UserError: It becomes too large when unpacked, or one of its lines is too long.
        OSError: It cannot be unpacked.
    """
    packed, is_packed = file.stat().st_size, file.suffix.lower() in COMPRESSED
    size = line = length = 0
    with closing(open_bytes(file)) as stream:
        while block := stream.read(BLOCK_BYTES):
            size += len(block)
            if is_packed:
                refuse_bomb(file, size, packed, most_gb)
            ends = max(block.rfind(b"\n"), block.rfind(b"\r"))
            length = length + len(block) if ends < 0 else len(block) - ends - 1
            line += block.count(b"\n")
            if length > LONGEST_LINE:
                raise UserError(f"{file}: line {line + 1:,} is longer than {LONGEST_LINE:,} bytes; a row is one line")


def check_workbooks(files: Sequence[Path], most_gb: float | None = None) -> None:
    """Check that workbooks can be read in bounded memory and time. UserError if not, or if one is damaged."""
    most = WORKBOOK_GB if most_gb is None else most_gb
    for file in files:
        words = [sys.executable, "-P", "-c", _TRIAL, str(file), str(int(most * GB)), str(WORKBOOK_SECONDS)]
        trial = subprocess.run(words, capture_output=True, text=True, errors="replace", check=False)
        if trial.returncode == 1 and not trial.stderr.startswith("MemoryError"):
            raise UserError(f"{file}: not a readable workbook: {one_line(trial.stderr, 200)}")
        if trial.returncode:
            raise UserError(
                f"{file}: the workbook takes more than {most:g} GB of memory or {WORKBOOK_SECONDS} seconds; "
                f"save the sheet as CSV, or say --max-unpacked {most * 2:g} if that is meant"
            )
