"""Print the text of docs/features.md, which describes every feature of user_profiles; `make docs` runs this module.

The features come from `tables/user_profiles.py`, the text around them from the template `catalogue.md.j2`. The module
imports no Spark.
"""

from __future__ import annotations

import sys
from importlib import resources
from itertools import groupby

import pyarrow as pa
from jinja2 import Environment, StrictUndefined

from shopbatch.tables.user_profiles import AMOUNT, FEATURES, INT, NAMES, SHARE, USER_PROFILES, WINDOWS, Feature

_TYPES = {INT: "whole number", SHARE: "number", AMOUNT: "money", NAMES: "list of text", pa.string(): "text"}


def markdown() -> str:
    """Return the whole Markdown text of docs/features.md: introduction and one table per group of features."""
    text = (resources.files(__package__) / "catalogue.md.j2").read_text("utf-8")
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True, autoescape=False
    )
    names = {feature.name for feature in FEATURES}
    return environment.from_string(text).render(
        count=len(FEATURES),
        other_columns=[column for column in USER_PROFILES.columns if column.name not in names],
        windows=[name for name, days in WINDOWS.items() if days],
        groups=[(name, [_cells(f) for f in features]) for name, features in groupby(FEATURES, lambda f: f.group)],
    )


def _cells(feature: Feature) -> list[str]:
    """Return the cells of one feature's table row: name, type, meaning, unit, window, and when the value is null."""
    null = feature.null.removeprefix("null: ").removesuffix(" null")
    cells = (f"`{feature.name}`", _TYPES[feature.type], feature.meaning, feature.unit, feature.window, null)
    return [cell.replace("|", "\\|") for cell in cells]


if __name__ == "__main__":
    sys.stdout.write(markdown())
