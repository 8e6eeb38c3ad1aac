"""Protects texts in CSV files from being computed as formulas by a spreadsheet program."""

from __future__ import annotations

# beginnings of cells that some spreadsheet computes; the wide signs come from East Asian keyboards
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARK = "'"


def protect(text: str) -> str:
    """Put an apostrophe before a text that a spreadsheet would take for a formula ("=1+1" -> "'=1+1").

    A text that already is a formula behind apostrophes gets one more, so that `restore` returns exactly the original.
    """
    return f"{_MARK}{text}" if _is_formula(text) else text


def restore(cell: str) -> str:
    """Undo `protect`: return the original text of a cell that was read back from a CSV file."""
    return cell[1:] if cell.startswith(_MARK) and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    """Return True if some spreadsheet program would compute a text; leading spaces and apostrophes are ignored."""
    return text.lstrip(f"{_MARK} \u00a0\u3000").startswith(_FORMULA)
