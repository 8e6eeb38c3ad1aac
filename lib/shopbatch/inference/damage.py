"""Damaged files of an inference job's own tables: set aside at the start of a run, which then makes them again."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from shopbatch.inference.spec import Spec
from shopbatch.warehouse import damage
from shopbatch.warehouse.files import FileRef
from shopbatch.warehouse.snapshot import Snapshot
from shopbatch.warehouse.store import Store

# by these a run tells that there is nothing to do: of the sink, and of its rejects
_UP_TO_DATE = ("gates", "digest"), ("recipe", "rejects_digest")


@dataclass
class Damage:
    """The damaged files of one job's sink and rejects, by table; those of its memo are taken out at once."""

    spec: Spec
    store: Store
    bad: dict[str, list[FileRef]] = field(default_factory=dict)

    def set_aside(self, run_id: str) -> list[str]:
        """Look for damage in memo, rejects and sink. Returns a sentence for each table that is damaged."""
        spec, store = self.spec, self.store
        said = [damage.take_out(store, spec.memo, run_id, lambda ref: ref.partition["recipe"] == spec.recipe)]
        for table, forget in zip((spec.sink, spec.rejects), _UP_TO_DATE, strict=True):
            self.bad[table.name], sentence = damage.publish_anew(store, table, run_id, forget, spec.scope)
            said.append(sentence)
        return [sentence for sentence in said if sentence]

    def without(self, live: Snapshot | None) -> Snapshot | None:
        """The live rows that can be read."""
        paths = {ref.path for ref in self.bad[self.spec.sink.name]}
        return None if live is None else replace(live, files=tuple(f for f in live.files if f.path not in paths))

    def move_away(self) -> None:
        """Move the damaged files away, if the run has published the tables anew."""
        for table in (self.spec.rejects, self.spec.sink):
            damage.move_away(self.store, table, self.bad[table.name])
