"""What is said of a published model in a line: its main metric, and the licence of what it is built on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAIN = ("accuracy", "macro_f1", "perplexity", "loss", "ndcg@10")  # the first of these that a model has


def main_metric(metrics: Mapping[str, Any]) -> str:
    """Return the main metric by group, as in `accuracy: en 0.955, zh 0.783`; empty if there is none.

    Args:
        metrics: Those of the manifest: group -> name -> number, or {"value": number, ...}. A job that compares models
            has these under `candidate`.
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
    value = value.get("value") if isinstance(value, Mapping) else value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def built_on(manifest: Mapping[str, Any]) -> str:
    """Return what a model is built on: its base, or the encoder whose vectors it reads; empty if it says neither."""
    return str(manifest.get("base") or manifest.get("encoder") or "")
