"""Decides which rows of an export its preset leaves out: translations, and products that are not for sale."""

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
    """Finds the rows that the preset leaves out.

    Batches must come in the order of the file, as cells may be filled from the row before, and variants follow their
    product.

    Attributes:
        hidden: Reason -> number of rows left out because they are not for sale, such as `Status is draft`.
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
        """Return a boolean mask [n]: True for the rows of a batch that are left out."""
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
        """Return a boolean mask [n]: True for variants of a product that is left out, if they are not masked already.

        Args:
            batch: A batch of rows of the file, [n].
            name: The file's column that names the parent product of a variant.
            skipped: The rows that are left out so far, boolean [n].
        """
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
        """Return a line for the user for each reason why rows were left out as not for sale."""
        return [
            f"{count:,} rows left out, because they are not for sale: {why} (--unpublished loads them)"
            for why, count in self.hidden.items()
            if count
        ]
