"""Judges the candidate (the new version of a published table, not visible yet) by gates: conditions with a limit.

`publish.py` calls `audit` before it commits. Most gates use counts that were made when the candidate was written; the
gate on duplicate keys and the gates of the job itself (`Spec.gates`) read its files.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from shopbatch.inference.candidate import Candidate
from shopbatch.inference.config import Gates, InferenceConfig
from shopbatch.inference.refs import fetch, start
from shopbatch.inference.spec import Spec
from shopbatch.warehouse import files
from shopbatch.warehouse.gates import DEFECT, Gate, explain, shrinking, shrunken_sources
from shopbatch.warehouse.store import Snapshot

ENOUGH_ROWS = 100  # with fewer rows, shares of labels are noise
SURE_ROWS = 1_000  # with fewer rows, the drift that chance alone explains is added to the limit
# reasons by which no result is lost, for every stage: no words to score; replaced by a newer row with the same key
HARMLESS = ("empty", "duplicate_key")


def audit(
    spec: Spec,
    config: InferenceConfig,
    source: Snapshot,
    candidate: Candidate,
    live: Snapshot | None,
    run_id: str = "RUN_ID",
) -> list[Gate]:
    """Judge the candidate by every gate.

    Args:
        spec: The inference job.
        config: Settings of the job.
        source: The snapshot of the source table.
        candidate: The files and counts that would be published.
        live: The published version; None before the first run.
        run_id: Id of the run, for the message of a failed gate: "look at them with `shopbatch show ... --candidate
            RUN_ID`".

    Returns:
        All gates, passed and failed.
    """
    gates = config.gates
    uris = _uris(spec, source, candidate)
    return [
        _rows(source.rows, candidate),
        shrinking(gates.rows, source.name, source.rows, candidate.total("published"), live.rows if live else 0),
        *shrunken_sources(gates.rows, spec.beside, live.metadata.get("read_rows", {}) if live else {}),
        _pending(candidate, config.limit is not None),
        _duplicate_keys(_repeats(spec, uris)),
        *(_measured(name, candidate.measured.get(name, 0.0), limit) for name, limit in spec.stage.limits().items()),
        _rejects(gates, spec, source.rows, candidate.reasons, f"{spec.rejects.name} --candidate {run_id}"),
        _recipe(spec, gates, live),
        *([] if spec.stage.drift_columns is None else [_drift(spec, gates, candidate.mix, live)]),
        *([] if spec.gates is None else spec.gates(uris, live)),
    ]


def _rows(read: int, candidate: Candidate) -> Gate:
    whole = sum(candidate.total(name) for name in ("published", "rejected", "pending"))
    what = f"{read:,} rows were read, and {whole:,} are published, rejected or pending"
    why = "a row would be lost or counted twice"
    note = "read = published + rejected + pending"
    return Gate("rows", whole, read, whole == read, explain(whole == read, what, why, DEFECT, note))


def _pending(candidate: Candidate, limited: bool) -> Gate:
    pending = candidate.total("pending") + candidate.total("kept")
    passed = limited or pending == 0
    what, why = f"{pending:,} rows have no result yet", "the table would lack them, or show their old results"
    do = "run the same command again, or set limit=N to publish what is computed by then"
    return Gate("pending", pending, "any (limited)" if limited else 0, passed, explain(passed, what, why, do))


def _duplicate_keys(repeats: int) -> Gate:
    what, why = f"{repeats:,} rows repeat the key of another row", "whoever joins the table would count them twice"
    return Gate("duplicate keys", repeats, 0, repeats == 0, explain(repeats == 0, what, why, DEFECT))


def _measured(name: str, value: float, limit: float) -> Gate:
    """Judge one number that `Stage.measure` computed: return a gate that passes if `value` is at most `limit`."""
    passed = value <= limit
    what, why = f"{value:g} was measured, more than {limit:g}", "a published row would hold a wrong value"
    return Gate(name, value, limit, passed, explain(passed, what, why, DEFECT))


def _uris(spec: Spec, source: Snapshot, candidate: Candidate) -> list[str]:
    root = source.uri.removesuffix(source.name)
    return [f"{root}{spec.sink.name}/{f.path}" for f in candidate.files]


def _repeats(spec: Spec, uris: list[str]) -> int:
    """Count the rows of the candidate's files that repeat the key of another row, in a task that reads the files."""
    return int(fetch([start(_count_repeats, uris, spec.source.key)])[0])


def _count_repeats(uris: list[str], key: tuple[str, ...]) -> int:
    return files.duplicate_keys(uris, key)


def _rejects(gates: Gates, spec: Spec, read: int, reasons: Mapping[str, int], where: str) -> Gate:
    """Judge the share of rejected rows among the rows of the source.

    Rejects for harmless reasons (`HARMLESS`, `Stage.harmless`) are ignored. Fewer than `gates.min_rejects` rejected
    rows always pass, as long as at least one row of the source is not rejected.

    Args:
        gates: The limits.
        spec: The inference job.
        read: Number of rows of the source.
        reasons: Number of rejected rows by reason.
        where: Arguments of `shopbatch show` that display the rejected rows; the message of a failed gate quotes them.
    """
    harmless = {*HARMLESS, *spec.stage.harmless}
    counted = {reason: n for reason, n in reasons.items() if reason not in harmless}
    rejected = sum(counted.values())
    share = rejected / read if read else 0.0
    few = rejected < gates.min_rejects and sum(reasons.values()) < read
    passed = share <= gates.reject_share or few
    listed = ", ".join(f"{reason} {n:,}" for reason, n in sorted(counted.items(), key=lambda pair: -pair[1]))
    what = (
        f"{rejected:,} of {read:,} rows ({share:.1%}) were rejected, more than gates.reject_share="
        f"{gates.reject_share:g}: {listed}"
    )
    why = "the table would lack them"
    do = f"look at them with `shopbatch show {where}`, or set gates.reject_share={_above(share):g}"
    return Gate("rejects", round(share, 6), gates.reject_share, passed, explain(passed, what, why, do, listed))


def _above(share: float) -> float:
    """Round a share up to the next hundredth (0.123 -> 0.13), at most 1: the value that a message suggests as limit."""
    return min(1.0, math.ceil(share * 100) / 100)


def _recipe(spec: Spec, gates: Gates, live: Snapshot | None) -> Gate:
    old = live.metadata.get("recipe", "unknown") if live and live.files else None
    passed = old in (None, spec.recipe) or gates.accept_recipe in ("any", spec.recipe)
    what = f"this run computes by recipe {spec.recipe}, and the live table is of recipe {old}"
    why = "another model, engine or version gives other results for the same rows"
    do = f"if it is intended, set gates.accept_recipe={spec.recipe} to replace the whole table"
    limit = gates.accept_recipe or old or "first"
    return Gate("recipe", spec.recipe, limit, passed, explain(passed, what, why, do))


def _drift(spec: Spec, gates: Gates, mix: Mapping[str, Mapping[str, int]], live: Snapshot | None) -> Gate:
    """Judge how far the shares of the labels have moved since the live version.

    The value is the total variation distance (0 to 1) between the two distributions of (group, label), the values of
    `Stage.drift_columns`. If one of the versions has fewer than SURE_ROWS rows, the distance that chance alone explains
    is added to the limit.

    The gate passes without a baseline. The live table is no baseline if it is incomplete, if it has another recipe (the
    gate `recipe` has then accepted the change), or if one of the versions has fewer than ENOUGH_ROWS rows.

    Args:
        spec: The inference job.
        gates: The limits.
        mix: Number of rows of the candidate, {group: {label: rows}}.
        live: The published version; None before the first run.
    """
    last = live.metadata if live else {}
    old = last.get("mix", {}) if last.get("recipe") == spec.recipe and last.get("complete") else {}
    before, now = _flat(old), _flat(mix)
    if min(sum(before.values()), sum(now.values())) < ENOUGH_ROWS:
        return Gate("drift", 0.0, gates.drift, True, f"no baseline of {ENOUGH_ROWS} rows")
    cells = before.keys() | now.keys()
    total_before, total_now = sum(before.values()), sum(now.values())
    distance = sum(abs(before.get(c, 0) / total_before - now.get(c, 0) / total_now) for c in cells) / 2
    few = min(total_before, total_now) < SURE_ROWS
    noise = _noise([(before.get(c, 0) + now.get(c, 0)) for c in cells], total_before, total_now) if few else 0.0
    passed = distance <= gates.drift + noise
    columns = " and ".join(spec.stage.drift_columns or ())
    what = f"{distance:.1%} of the rows moved between values of {columns}, more than gates.drift={gates.drift:g}"
    why = "a change of that size since the live version mostly comes from a damaged source"
    do = f"compare the sources; if it is intended, set gates.drift={_above(distance):g}"
    note = "label mix against the live version"
    return Gate("drift", round(distance, 6), gates.drift, passed, explain(passed, what, why, do, note))


def _noise(cells: Sequence[int], before: int, now: int) -> float:
    """Return the total variation distance to expect by chance between two samples of the same distribution.

    It is computed by the normal approximation.

    Args:
        cells: Number of rows of each pair (group, label) of the drift columns, both samples added together.
        before: Number of rows of the first sample.
        now: Number of rows of the second sample.
    """
    shares = [cell / (before + now) for cell in cells]
    deviations = sum(math.sqrt(share * (1 - share) * (1 / before + 1 / now)) for share in shares)
    return deviations * math.sqrt(2 / math.pi) / 2


def _flat(mix: Mapping[str, Mapping[str, int]]) -> dict[tuple[str, str], int]:
    return {(group, label): n for group, labels in mix.items() for label, n in labels.items()}
