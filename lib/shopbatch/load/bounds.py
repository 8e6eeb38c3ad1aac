"""Refuses files that would take too much memory, disk or time: archives that unpack too large, lines that are too long.

The checks run before a file is read.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from shopbatch.core.errors import UserError, one_line
from shopbatch.load.encodings import BLOCK_BYTES, open_bytes

GB = 10**9
LARGE_BYTES = GB  # a file that becomes larger than this when unpacked ...
LARGEST_RATIO = 100  # ... may be at most this many times its compressed size
MOST_GB = 100.0  # a compressed file may become this large, unless the user states another limit
WORKBOOK_GB = 4.0  # a workbook may take this much memory, unless the user states another limit
WORKBOOK_SECONDS = 600
LONGEST_LINE = 16 * 2**20
COMPRESSED = (".gz", ".bz2", ".zst")

# Runs in a child process: a workbook of a few bytes can ask for more memory than there is, which kills the process.
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
    """Raise UserError if a compressed file becomes too large (an archive bomb would fill the disk or take for ever).

    Args:
        path: The compressed file, for the message.
        size: Its size when unpacked, in bytes, as far as it is known.
        packed: Its compressed size, in bytes.
        most_gb: Gigabytes that the user allows when unpacked, which is then the only limit. None: at most `MOST_GB`,
            and above `LARGE_BYTES` at most `LARGEST_RATIO` times the compressed size.
    """
    is_bomb = most_gb is None and size > LARGE_BYTES and size > LARGEST_RATIO * packed
    if is_bomb or size > (MOST_GB if most_gb is None else most_gb) * GB:
        raise UserError(
            f"{path}: {packed:,} bytes would become {size:,} or more; if that is meant, say how many GB it may become: "
            f"--max-unpacked {-(-size // GB) * 2}"
        )


def check_text(file: Path, most_gb: float | None = None) -> None:
    """Check that a file of lines (CSV, JSON lines; also compressed) can be read in bounded memory.

    Args:
        file: The file.
        most_gb: Gigabytes that a compressed file may become when unpacked; None: the limits of `refuse_bomb`.

    Raises:
        UserError: The file becomes too large when unpacked, or one of its lines is longer than `LONGEST_LINE` bytes.
        OSError: The file cannot be unpacked.
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
    """Check that workbooks can be read in bounded memory and time, by reading each in a child process with limits.

    Args:
        files: The workbooks.
        most_gb: Gigabytes of memory that the child process may take; None: `WORKBOOK_GB`. It may take
            `WORKBOOK_SECONDS` of processor time.

    Raises:
        UserError: A workbook exceeds a limit or is damaged. A workbook with a password passes; its reader refuses it
            later.
    """
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
