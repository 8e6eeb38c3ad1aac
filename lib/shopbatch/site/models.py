"""Describes the models of the registry for the site: metrics, licence, and the run that trained them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from shopbatch.models import registry
from shopbatch.site.records import Model, Run

METRICS = 40  # most metrics of a model that the site shows
_DETAILS = frozenset({"confusion", "calibration", "baselines"})  # metrics that only the run's report shows
_LICENCE = ("licence", "license")
_BUILT_ON = ("base", "encoder")


def describe_models(root: str, runs: Iterable[Run], inputs: Iterable[str]) -> list[Model]:
    """Return the descriptions of all models in the registry, sorted by name, the newest version first.

    Args:
        root: The warehouse's folder or URI.
        runs: The known runs; from them the training run of a model is found.
        inputs: Names of models from which jobs start. Such a model may be built on first use by a run that did not
            train it, so it is not attributed to a run.
    """
    known, starting = list(runs), set(inputs)
    models = [_describe(tree, live, known, starting) for tree, live in registry.listed(f"{root}/_models")]
    models.sort(key=lambda model: (model.created or "", model.digest), reverse=True)
    return sorted(models, key=lambda model: model.name)


def _describe(manifest: Mapping[str, Any], live: bool, runs: Sequence[Run], starting: set[str]) -> Model:
    name, digest, created = str(manifest["name"]), str(manifest["digest"]), manifest.get("created_at")
    run = None if name in starting else next((run for run in runs if _made(run, digest, created)), None)
    metrics = list(_figures(manifest.get("metrics"), ""))
    return Model(
        name,
        digest[: registry.DIGITS],
        live,
        created if isinstance(created, str) else None,
        _first(manifest, _LICENCE),
        _first(manifest, _BUILT_ON),
        metrics[:METRICS],
        run.job if run else None,
        run.read if run else {},
    )


def _made(run: Run, digest: str, created: Any) -> bool:
    """Return True if the run trained the model: its report names the digest, and the model was made during the run."""
    if digest not in run.models.values() or not isinstance(created, str):
        return False
    return run.started is not None and run.ended is not None and run.started <= created <= run.ended


def _first(manifest: Mapping[str, Any], keys: Sequence[str]) -> str:
    return next((str(manifest[key]) for key in keys if isinstance(manifest.get(key), str)), "")


def _figures(tree: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """Flatten a tree of metrics into (name, {"value": ..., "low": ..., "high": ...}) pairs.

    Names of nested metrics are joined by a dot. Long details (confusion, calibration, baselines) are left out.

    Args:
        tree: The metrics of a model's manifest.
        prefix: Start of every name, "" at the root.
    """
    if not isinstance(tree, dict):
        return
    for key, value in tree.items():
        name = f"{prefix}{key}".replace("_", " ")
        if isinstance(value, dict) and isinstance(value.get("value"), int | float):
            yield name, value
        elif isinstance(value, dict) and key not in _DETAILS:
            yield from _figures(value, f"{prefix}{key} · ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield name, {"value": value}
