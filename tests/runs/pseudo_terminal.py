"""Runs a command as on a terminal, and says what a person would see when it has ended."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import termios
from collections.abc import Mapping, Sequence


def in_terminal(
    command: Sequence[str], environment: Mapping[str, str], columns: int, lines: int = 24
) -> tuple[int, str]:
    """Run a command with a terminal of this size as its standard input and output.

    Returns:
        The exit code and the lines that stay on the screen. A line that was drawn over shows what was drawn last;
        blanks at the ends are removed.
    """
    process, terminal = pty.fork()
    if process == 0:
        os.execvpe(command[0], list(command), {**environment, "TERM": "xterm", "COLUMNS": str(columns)})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    written = b""
    while True:
        try:
            piece = os.read(terminal, 65_536)
        except OSError:  # the command has closed the terminal
            break
        if not piece:
            break
        written += piece
    os.close(terminal)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return code, screen(written.decode("utf-8", "replace"))


def screen(written: str) -> str:
    """Say what stays on a screen of any height: the few control codes that rich uses, and no others."""
    rows, row, column = [""], 0, 0
    for code, number, text in re.findall(r"(?:\x1b\[([?\d;]*)([A-Za-z]))|([\r\n]|[^\r\n\x1b]+)", written):
        if number == "A":
            row = max(0, row - int(code or 1))
        elif number == "K":
            rows[row] = rows[row][:column] if code in ("", "0") else ""
        elif text == "\r":
            column = 0
        elif text == "\n":
            row, column = row + 1, 0
            rows += [""] * (row == len(rows))
        elif text:
            rows[row] = rows[row][:column].ljust(column) + text + rows[row][column + len(text) :]
            column += len(text)
    return "\n".join(line.rstrip() for line in rows if line.strip())
