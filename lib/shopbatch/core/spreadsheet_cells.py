"""Text in the cells of a CSV file, which a spreadsheet must not take for a formula."""

from __future__ import annotations

# how a cell begins that some spreadsheet would compute; the wide signs are those of East Asian keyboards
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_MARK = "'"


def protect(text: str) -> str:
    """Put an apostrophe before text that a spreadsheet would take for a formula, or that `restore` would change."""
    return f"{_MARK}{text}" if _is_formula(text) else text


def restore(cell: str) -> str:
    """Return the text that `protect` was given."""
    return cell[1:] if cell.startswith(_MARK) and _is_formula(cell) else cell


def _is_formula(text: str) -> bool:
    """Whether text is a formula for some spreadsheet, also behind blanks and behind apostrophes of ours."""
    return text.lstrip(f"{_MARK} \u00a0\u3000").startswith(_FORMULA)
