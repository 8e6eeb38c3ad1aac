"""The result of converting one column: the values that are good, and the rows that are refused with their reasons."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Mask = npt.NDArray[np.bool_]

NO_KEY, NO_VALUE, NESTED, UTF8 = "no_key", "no_value", "nested", "invalid_utf8"
NUMBER, WHOLE, RANGE = "not_a_number", "not_whole", "out_of_range"
MOMENT, CHOICE, AMBIGUOUS = "not_a_timestamp", "not_allowed", "ambiguous"


@dataclass
class Converted:
    """One column, converted.

    values: [n], of the column's type, null where refused. faults: reason -> which rows it refuses, boolean [n].
    rounded: which values had more decimals than the column has, boolean [n]; None if none can have.
    """

    values: pa.Array
    faults: dict[str, Mask] = field(default_factory=dict)
    rounded: Mask | None = None

    def refuse(self, reason: str, rows: Mask) -> None:
        """Set the values of `rows` to null for this reason, except where an earlier reason refused them already."""
        for earlier in self.faults.values():
            rows = rows & ~earlier
        if rows.any():
            self.faults[reason] = self.faults.get(reason, np.zeros(len(rows), bool)) | rows
            self.values = pc.if_else(pa.array(rows), pa.scalar(None, self.values.type), self.values)

    @property
    def refused(self) -> Mask:
        """Which rows are refused, for whatever reason; boolean [n]."""
        return np.asarray(np.logical_or.reduce([np.zeros(len(self.values), bool), *self.faults.values()]))


def refuse_all(raw: pa.Array, kind: pa.DataType, reason: str) -> Converted:
    """Refuse every value that is not null."""
    result = Converted(pa.nulls(len(raw), kind))
    result.refuse(reason, to_mask(raw.is_valid()))
    return result


def to_mask(values: pa.Array) -> Mask:
    """An Arrow boolean array as NumPy's, null as False."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), bool)
