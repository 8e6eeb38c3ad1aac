"""Prints the answer of `shopbatch why` for a person: the row and how it was made, or why it is missing."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shopbatch.cli.printing import cell, print_block

if TYPE_CHECKING:
    from shopbatch.warehouse.store import Store

_SENTIMENT = "sentiment"  # the name of sentiment models in the registry
_FAKE = f"{_SENTIMENT}@fake"
_KINDS = {"row": "the row's own fault", "infra": "the machinery's fault; later runs try it again"}


def explain(store: Store, table: str, key: str, answer: Mapping[str, Any], env: str) -> None:
    """Print what is known about a row of a published table, in a few lines.

    Args:
        store: The warehouse.
        table: Name of the table.
        key: The row's key.
        answer: The information about the row, as `browse.why` returns it.
        env: Name of the environment: a folder in conf/.
    """
    from shopbatch.warehouse.browse import run_models

    column = next(name for name in answer if name != "table")
    text = _text(answer)
    for row in answer["published"]:
        fields = {n: cell(v) for n, v in _telling(store, table, row).items() if n != column}
        models = run_models(store, table, row["run_id"])
        head = row.get("answered_by") or f"{_SENTIMENT}@{models.get('head', 'fake')}"
        reasons = _words(store, answer, head, env) if table == "review_sentiment" else {}
        print_block(f"{table} {key}", fields | text | reasons | _origin(answer, row, models))
    for row in answer["rejected"]:
        fault = _KINDS.get(row["kind"], row["kind"])
        reason = {"rejected": f"{row['reason']} ({fault}; {_attempts(row['attempt'])})"}
        models = run_models(store, table, row["run_id"])
        print_block(f"{table} {key}: not there", reason | text | _origin(answer, row, models))
    if "report" in answer:
        print(f"  report: {answer['report']}")  # not wrapped, so that it can be copied
    if "note" in answer:
        print_block(f"{table} {key}: not there", {"missing": answer["note"], **text})


def _telling(store: Store, table: str, row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns of a row that `shopbatch show` would print and that have a value, except the text column."""
    import pyarrow as pa

    from shopbatch.warehouse.arrange import arrange
    from shopbatch.warehouse.rows import with_probability

    snapshot = store.snapshot(table)
    shown = with_probability(snapshot, pa.Table.from_pylist([dict(row)], snapshot.schema)).to_pylist()[0]
    arrangement = arrange(snapshot)
    return {n: shown[n] for n in arrangement.shown if n != arrangement.about and shown[n] is not None}


def _text(answer: Mapping[str, Any]) -> dict[str, str]:
    """Return the title and text of the source row, as far as they are not empty; {} if the source row is gone.

    Args:
        answer: The information about the row, as `browse.why` returns it.
    """
    source = answer["source"][0] if answer["source"] else {}
    return {n: cell(source[n]) for n in ("title", "text") if source.get(n)}


def _words(store: Store, answer: Mapping[str, Any], model: str, env: str) -> dict[str, str]:
    """Return the words of a review that speak for its label, and those for the second most likely label, with weights.

    Args:
        store: The warehouse.
        answer: The information about the row, as `browse.why` returns it.
        model: Reference of the sentiment model that gave the label.
        env: Name of the environment: a folder in conf/.

    Returns:
        Texts such as {"for positive": "love 0.41, soft 0.20"}; {} if there is no source row or the label came from the
        fake engine; {"words": "not known: ..."} if the model is gone or cannot explain its labels.
    """
    if not answer["source"] or model == _FAKE:
        return {}
    import pyarrow as pa

    from shopbatch.capabilities.sentiment.config import ScoreReviewsConfig
    from shopbatch.capabilities.sentiment.explain import Explainer
    from shopbatch.capabilities.sentiment.head import SentimentHead
    from shopbatch.capabilities.sentiment.stage import review_text
    from shopbatch.core.config import load
    from shopbatch.core.errors import UserError
    from shopbatch.models import registry

    source = answer["source"][0]
    content = {name: pa.array([source[name]], pa.string()) for name in ("title", "text")}
    try:
        root = f"{store.root}/_models"
        head = SentimentHead.load(registry.find(root, model).path)
        settings = load(ScoreReviewsConfig, "score_reviews", env, [])
        longest = getattr(settings.engine, "max_tokens", 512)
        explainer = Explainer(Path(registry.find(root, head.encoder).path), head, longest, settings.windows)
        explained = explainer.explain(review_text(pa.table(content))[0].as_py())
    except UserError as error:  # the models are gone, or the encoder cannot be split
        return {"words": f"not known: {error}"}
    pros, cons = explained.telling(6)
    sides = {f"for {explained.label}": pros, f"for {explained.instead}": cons}
    return {
        side: ", ".join(f"{cell(word.text)} {abs(word.share):.2f}" for word in some)
        for side, some in sides.items()
        if some
    }


def _origin(answer: Mapping[str, Any], row: Mapping[str, Any], models: Mapping[str, str]) -> dict[str, str]:
    """Return how a row was made, as texts: time and attempt of its computation, its recipe, models and run.

    Args:
        answer: The information about the row, as `browse.why` returns it.
        row: The published or rejected row.
        models: {name: digest} of the models that the row's run used.
    """
    memo = answer.get("memo") or [{}]
    computed = f"{cell(row['scored_at'])}, {_attempts(memo[-1].get('attempt'))}" if "scored_at" in row else ""
    return {
        "computed": computed,
        "recipe": row["recipe"],
        "models": ", ".join(f"{name} {digest[:12]}" for name, digest in models.items()),
        "run": row["run_id"],
    }


def _attempts(number: int | None) -> str:
    """Return "attempt 2", or that no attempt was needed if the number is None or 0."""
    return f"attempt {number}" if number else "no attempt was needed"
