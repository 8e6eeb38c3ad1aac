"""The result type of all column converters (`Converted`): good values, and masks of refused values by reason."""

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
    """One converted column.

    Attributes:
        values: The values in the type of the column, null where refused, [n].
        faults: Reason, such as `not_a_number` -> mask of the values refused for it, boolean [n].
        rounded: Mask of the values that had more decimals than the column holds, boolean [n]; None if not applicable.
    """

    values: pa.Array
    faults: dict[str, Mask] = field(default_factory=dict)
    rounded: Mask | None = None

    def refuse(self, reason: str, rows: Mask) -> None:
        """Refuse values for a reason: set them to null and record the reason, unless they were refused before.

        Args:
            reason: One of the constants of this module, such as `NUMBER`.
            rows: The rows of the values, boolean [n].
        """
        for earlier in self.faults.values():
            rows = rows & ~earlier
        if rows.any():
            self.faults[reason] = self.faults.get(reason, np.zeros(len(rows), bool)) | rows
            self.values = pc.if_else(pa.array(rows), pa.scalar(None, self.values.type), self.values)

    @property
    def refused(self) -> Mask:
        """Mask of the rows that are refused for any reason, boolean [n]."""
        return np.asarray(np.logical_or.reduce([np.zeros(len(self.values), bool), *self.faults.values()]))


def refuse_all(raw: pa.Array, kind: pa.DataType, reason: str) -> Converted:
    """Return a result in which every value that is not null is refused, for types that cannot be converted.

    Args:
        raw: The values, [n].
        kind: The Arrow type of the result, which is all null.
        reason: Why they are refused.
    """
    result = Converted(pa.nulls(len(raw), kind))
    result.refuse(reason, to_mask(raw.is_valid()))
    return result


def to_mask(values: pa.Array) -> Mask:
    """Convert an Arrow boolean array to a NumPy mask of the same length; null becomes False."""
    return np.asarray(pc.fill_null(values, False).to_numpy(zero_copy_only=False), bool)
