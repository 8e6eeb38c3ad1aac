"""Which rows of an export are left out: translations, and what the shop does not offer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import numpy as np
import pyarrow as pa
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
        self.skip_children = preset.skip_children if preset else {}
        self.hidden: Counter[str] = Counter()
        self._parents: dict[str, set[str]] = {name: set() for name in self.skip_children}
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
        for name in self.skip_children:
            skipped |= self._children(batch, name, skipped)
        return skipped

    def _children(self, batch: RawBatch, name: str, skipped: Mask) -> Mask:
        """Which of the other rows are variants of a product that is left out; boolean [n]."""
        known = self._parents[name]
        if skipped.any():
            for column in self.skip_children[name]:
                known.update(text_cells(batch.get(column)).filter(pa.array(skipped)).drop_null().to_pylist())
        if not known:
            return np.zeros(len(batch.rows), bool)
        parents = pc.replace_substring_regex(text_cells(batch.get(name)), "^id:", "")
        children = to_mask(pc.is_in(parents, pa.array(sorted(known), pa.string()))) & ~skipped
        self.hidden[f"{name} is left out"] += int(np.count_nonzero(children))
        return children

    def notes(self) -> list[str]:
        """Say what is not for sale and was left out, a line for each reason."""
        return [
            f"{count:,} rows left out, because they are not for sale: {why} (--unpublished loads them)"
            for why, count in self.hidden.items()
            if count
        ]
