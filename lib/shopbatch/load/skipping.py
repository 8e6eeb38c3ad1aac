"""Which rows of an export are left out: translations, and what the shop does not offer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow.compute as pc

from shopbatch.load.conversion import Mask, to_mask
from shopbatch.load.presets import Preset
from shopbatch.load.raw import RawBatch
from shopbatch.load.shaping import Carry, text_cells


class Skipping:
    """Tells which rows of a file its preset leaves out, batch by batch in the order of the file.

    hidden: what was left out because it is not for sale, such as `Status is draft` -> rows.
    """

    def __init__(self, preset: Preset | None, columns: Mapping[str, str]) -> None:
        self.skip_rows = preset.skip_rows if preset else ()
        self.skip_values = preset.skip_values if preset else {}
        self.hidden: Counter[str] = Counter()
        group = columns.get(preset.carry_by) if preset and preset.carry_by else None
        carried = [name for name in self.skip_values if preset and name in preset.carry]
        self._carry = Carry(carried, group) if group and carried else None

    def rows(self, batch: RawBatch) -> Mask:
        """Return which rows are left out; boolean [n]."""
        skipped = np.zeros(len(batch.rows), bool)
        for name in self.skip_rows:
            skipped |= to_mask(text_cells(batch.get(name)).is_valid())
        filled = self._carry.fill(batch) if self._carry else {}
        for name, words in self.skip_values.items():
            cells = filled[name] if name in filled else text_cells(batch.get(name))
            lowered = pc.utf8_lower(cells)
            for word in words:
                of_word = to_mask(pc.equal(lowered, word)) & ~skipped
                self.hidden[f"{name} is {word}"] += int(np.count_nonzero(of_word))
                skipped |= of_word
        return skipped

    def notes(self) -> list[str]:
        """Say what is not for sale and was left out, a line for each reason."""
        return [
            f"{count:,} rows left out, because they are not for sale: {why} (--unpublished loads them)"
            for why, count in self.hidden.items()
            if count
        ]
