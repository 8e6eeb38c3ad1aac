"""Text in the cells of a CSV file, which a spreadsheet must not take for a formula."""

from __future__ import annotations

# how a cell begins that some spreadsheet would compute; the wide signs are those of East Asian keyboards
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARK = "'"


def protect(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would take for a formula, or that `restore` would change."""
    return f"{_MARK}{text}" if text.lstrip(_MARK).startswith(_FORMULA) else text


def restore(cell: str) -> str:
    """Return the text that `protect` was given."""
    return cell[1:] if cell.startswith(_MARK) and cell.lstrip(_MARK).startswith(_FORMULA) else cell
