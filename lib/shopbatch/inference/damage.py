"""Finds damaged files of an inference job's own tables when a run starts, so that the run makes their rows again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shopbatch.inference.spec import Spec
from shopbatch.warehouse import damage
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

# metadata keys by which a run sees that there is nothing to do: of the sink; of its rejects
_UP_TO_DATE = ("gates", "digest"), ("recipe", "rejects_digest")


@dataclass
class Damage:
    """The damaged files of one job's memo (results), sink (published table) and rejects that a run has found.

    Attributes:
        spec: The inference job.
        store: The warehouse.
        bad: Damaged files of sink and rejects, {table name: files}, filled by `set_aside`. Damaged files of the memo
            are not listed, because `set_aside` removes them from the memo at once.
    """

    spec: Spec
    store: Store
    bad: dict[str, list[FileRef]] = field(default_factory=dict)

    def set_aside(self, run_id: str) -> list[str]:
        """Look for damaged files in memo, rejects and sink, and return one sentence for each table that has some.

        Damaged memo files are removed from the memo. Sink and rejects are marked so that this run publishes them again.
        """
        spec, store = self.spec, self.store
        said = [damage.take_out(store, spec.memo, run_id, lambda ref: ref.partition["recipe"] == spec.recipe)]
        for table, forget in zip((spec.sink, spec.rejects), _UP_TO_DATE, strict=True):
            self.bad[table.name], sentence = damage.publish_anew(store, table, run_id, forget, spec.scope)
            said.append(sentence)
        return [sentence for sentence in said if sentence]

    def without(self, live: Snapshot | None) -> Snapshot | None:
        """Return the live snapshot without the damaged files that `set_aside` found; None if `live` is None."""
        paths = {ref.path for ref in self.bad[self.spec.sink.name]}
        return None if live is None else replace(live, files=tuple(f for f in live.files if f.path not in paths))

    def move_away(self) -> None:
        """Move the damaged files of sink and rejects to the folder `_damaged`, once the run has replaced them."""
        for table in (self.spec.rejects, self.spec.sink):
            damage.move_away(self.store, table, self.bad[table.name])
