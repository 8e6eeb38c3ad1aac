"""Short facts about a published model for lists of models: its main metric, and the model that it is based on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAIN = ("accuracy", "macro_f1", "perplexity", "loss", "ndcg@10")  # the first of these that a model has


def main_metric(metrics: Mapping[str, Any]) -> str:
    """Return a model's main metric by group in one line ("accuracy: en 0.955, zh 0.783"); "" if it has no metrics.

    The main metric is the first that the model has of accuracy, macro_f1, perplexity, loss and ndcg@10. Without any of
    these, all plain numbers are listed.

    Args:
        metrics: Metrics from the manifest: group -> name -> number, or {"value": number, ...}. If the job compared its
            candidate with other models, only those under the key `candidate` are read.
    """
    candidate = metrics.get("candidate")
    groups = candidate if isinstance(candidate, Mapping) else metrics
    for name in _MAIN:
        values = {g: _number(m[name]) for g, m in groups.items() if isinstance(m, Mapping) and name in m}
        known = [f"{group} {value:.3g}" for group, value in values.items() if value is not None]
        if known:
            return f"{name}: {', '.join(known)}"
    return ", ".join(f"{name} {value:.3g}" for name, m in groups.items() if (value := _number(m)) is not None)


def _number(value: Any) -> float | None:
    """Return a metric's value, which may be inside {"value": ...}; None if it is not a number."""
    value = value.get("value") if isinstance(value, Mapping) else value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def built_on(manifest: Mapping[str, Any]) -> str:
    """Return the base of a model, or the encoder whose vectors it takes as input; "" if the manifest names neither."""
    return str(manifest.get("base") or manifest.get("encoder") or "")
