"""The gates of an inference run: what its candidate must pass before it becomes visible.

Only the count of duplicate keys reads files; everything else was counted when the candidate was written.
"""

from __future__ import annotations

from collections.abc import Mapping

import ray

from shopbatch.inference.candidate import Candidate
from shopbatch.inference.config import Gates, InferenceConfig
from shopbatch.inference.spec import Spec
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import Gate
from shopbatch.warehouse.store import Snapshot

ENOUGH_ROWS = 1_000  # with fewer rows, shares of labels are noise


def audit(
    spec: Spec, config: InferenceConfig, source: Snapshot, candidate: Candidate, live: Snapshot | None
) -> list[Gate]:
    """Judge every gate.

    Args:
        spec: The job.
        config: Its configuration.
        source: The source.
        candidate: What would become visible.
        live: The published version; None before the first run.
    """
    gates, limited = config.gates, config.limit is not None
    published, rejected = candidate.total("published"), candidate.total("rejected")
    pending, kept = candidate.total("pending"), candidate.total("kept")
    repeats = _repeats(spec, source, candidate)
    whole = published + rejected + pending
    return [
        Gate("rows", whole, source.rows, whole == source.rows, "read = published + rejected + pending"),
        Gate("pending", pending + kept, "any (limited)" if limited else 0, limited or pending + kept == 0),
        Gate("duplicate keys", repeats, 0, repeats == 0),
        *(
            Gate(name, candidate.measured.get(name, 0.0), limit, candidate.measured.get(name, 0.0) <= limit)
            for name, limit in spec.stage.limits().items()
        ),
        _reject_share(gates, source.rows, candidate.reasons),
        _recipe(spec, gates, live),
        *([] if spec.stage.drift_columns is None else [_drift(spec, gates, candidate.mix, live)]),
    ]


def _repeats(spec: Spec, source: Snapshot, candidate: Candidate) -> int:
    """Rows of the candidate's files that repeat a key, counted from the files themselves, in a task of its own."""
    root = source.uri.removesuffix(source.name)
    uris = [f"{root}{spec.sink.name}/{f.path}" for f in candidate.files]
    return int(ray.get(_count_repeats.remote(uris, spec.source.key)))


@ray.remote
def _count_repeats(uris: list[str], key: tuple[str, ...]) -> int:
    return files.duplicate_keys(uris, key)


def _reject_share(gates: Gates, read: int, reasons: Mapping[str, int]) -> Gate:
    counted = sum(n for reason, n in reasons.items() if reason != "empty")
    share = counted / read if read else 0.0
    why = ", ".join(f"{reason} {n}" for reason, n in reasons.items() if reason != "empty")
    return Gate("reject share", round(share, 6), gates.reject_share, share <= gates.reject_share, why)


def _recipe(spec: Spec, gates: Gates, live: Snapshot | None) -> Gate:
    old = live.metadata.get("recipe", "unknown") if live and live.files else None
    passed = old in (None, spec.recipe) or gates.accept_recipe in ("any", spec.recipe)
    detail = "" if passed else f"the live table is of recipe {old}; gates.accept_recipe={spec.recipe} replaces it"
    return Gate("recipe", spec.recipe, gates.accept_recipe or old or "first", passed, detail)


def _drift(spec: Spec, gates: Gates, mix: Mapping[str, Mapping[str, int]], live: Snapshot | None) -> Gate:
    """Total variation distance of the joint (group, label) shares. A new recipe has no baseline: it was accepted."""
    last = live.metadata if live else {}
    old = last.get("mix", {}) if last.get("recipe") == spec.recipe and last.get("complete") else {}
    before, now = _flat(old), _flat(mix)
    if min(sum(before.values()), sum(now.values())) < ENOUGH_ROWS:
        return Gate("drift", 0.0, gates.drift, True, f"no baseline of {ENOUGH_ROWS} rows")
    cells = before.keys() | now.keys()
    total_before, total_now = sum(before.values()), sum(now.values())
    distance = sum(abs(before.get(c, 0) / total_before - now.get(c, 0) / total_now) for c in cells) / 2
    passed = distance <= gates.drift
    hint = "" if passed else f"; if it is intended, gates.drift={distance + 0.01:.2f} lets it pass"
    return Gate("drift", round(distance, 6), gates.drift, passed, f"label mix against the live version{hint}")


def _flat(mix: Mapping[str, Mapping[str, int]]) -> dict[tuple[str, str], int]:
    return {(group, label): n for group, labels in mix.items() for label, n in labels.items()}
