"""Calls a click command with arguments and returns its exit code; used by `shopbatch` and by the job files.

This module imports nothing heavy.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from shopbatch.core.errors import UserError, one_line
from shopbatch.runs.outcomes import report_errors, report_user_error

OWN_PROCESS = "shopbatch.own_process"  # key in click's context: True if the process was started for this command


def invoke(command: click.Command, arguments: Sequence[str], program: str, own_process: bool = False) -> int:
    """Parse the arguments, call the command and return its exit code. Expected errors are printed as one line.

    Args:
        command: The command; its callback returns an exit code, or None for 0.
        arguments: The words after the program's name.
        program: The program's name, for messages.
        own_process: Whether the process was started for this command only, so that a run may fork it (see `supervise`).
    """

    def call() -> int:
        if unreadable := [word for word in arguments if not _is_text(word)]:
            return report_user_error(
                UserError(f"argument {unreadable[0]!r} is not valid UTF-8; write or rename it anew")
            )
        try:
            with command.make_context(program, list(arguments)) as context:
                context.meta[OWN_PROCESS] = own_process
                return int(command.invoke(context) or 0)
        except click.exceptions.Exit as ended:  # --help and --version
            return ended.exit_code
        except click.UsageError as error:
            return report_user_error(UserError(_usage_line(error, program)))

    return report_errors(call)


def _is_text(word: str) -> bool:
    """Return False if a command-line argument contains bytes that are not valid UTF-8, or a NUL character.

    Python represents each invalid byte by a character from U+DC80 to U+DCFF.
    """
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in word)


def _usage_line(error: click.UsageError, program: str) -> str:
    """Describe a mistake on the command line in one line, with a pointer to `--help`."""
    text = one_line(error.format_message()).rstrip(".")
    path = error.ctx.command_path if error.ctx is not None else program
    return f"{text[:1].lower()}{text[1:]} (see `{path} --help`)"
