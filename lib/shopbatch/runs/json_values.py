"""Converts the values of a report into values that JSON can represent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from enum import Enum
from typing import Any


def json_value(value: Any) -> Any:
    """Convert any value, also nested, into a value that JSON can represent.

    NaN and infinities become null, NumPy and pyarrow values become Python values, sets become sorted lists. A value of
    an unknown type becomes its `str`, because a run that has published must not fail over a value in its report.
    """
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value).encode("utf-8", "replace").decode()  # a lone surrogate cannot be written to a file
    if isinstance(value, int | float):
        number = int(value) if isinstance(value, int) else float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, Mapping):
        return {str(json_value(key)): json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        items = [json_value(item) for item in value]
        return sorted(items, key=str) if isinstance(value, set | frozenset) else items
    return _from_object(value)


def _from_object(value: Any) -> Any:
    """Convert a dataclass, a date, or a pydantic, NumPy or pyarrow object; use `str` for any other object."""
    if is_dataclass(value) and not isinstance(value, type):
        return json_value(asdict(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    for convert in ("model_dump", "tolist", "as_py"):  # methods of pydantic, NumPy and pyarrow values
        if callable(method := getattr(value, convert, None)) and not isinstance(value, type):
            return json_value(method())
    return json_value(str(value))
