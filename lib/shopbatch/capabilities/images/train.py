"""Run the job `train_image_classifier`: fits a classifier of picture vectors to the catalogue's classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from shopbatch.capabilities.images.config import TrainImageClassifierConfig
from shopbatch.capabilities.images.examples import Examples, read_examples
from shopbatch.capabilities.images.fit import HELD_OUT, Fitted, by_fold, fit
from shopbatch.capabilities.images.model import NAME, ImageClassifier
from shopbatch.capabilities.images.rows import recipe_of, require_pictures
from shopbatch.core.errors import UserError
from shopbatch.core.hashing import digest
from shopbatch.evaluation.classification import accuracy, accuracy_interval, confusion, reliability
from shopbatch.evaluation.paired import difference
from shopbatch.models import registry
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.products import PRODUCTS
from shopbatch.training import runs
from shopbatch.training.config import identity
from shopbatch.warehouse.gates import Gate, explain, refuse_if_failed
from shopbatch.warehouse.store import Store

VERSION = 2  # of examples and fit; if it is raised, the next run trains again
_SHOWN = 30  # greatest number of classes in the confusion matrix


def train_image_classifier(config: TrainImageClassifierConfig, store: Store, report: Report) -> None:
    """Fit, judge and publish the classifier; nothing is done if the live one was made from the same inputs.

    Raises:
        UserError: Too few classes of the catalogue have enough pictures.
        GateRefused: It does not beat raw pixels by enough, is worse than the live model, or abstains too often.
    """
    images, vectors = require_pictures(store)
    products = store.require(PRODUCTS, ("product_id", config.label))
    sources = {s.name: s for s in (images, vectors, products)}
    report.unit, models = "pictures", f"{store.root}/_models"
    report.tables |= {name: {"read": source.version} for name, source in sources.items()}
    tables = {name: [source.table_id, source.version] for name, source in sources.items()}
    settings = identity(config.fit, config.gates)
    origin = digest({"version": VERSION, "tables": tables, "label": config.label, "config": settings})
    if runs.already_live(models, NAME, origin, report):
        return
    with report.stage("examples") as stage:
        examples = read_examples(images, vectors, products, config.label, config.fit)
        stage.rows = len(examples.label)
    _check(examples)
    with report.stage("fit"):
        fitted = fit(examples.vectors, examples.label, examples.fold, len(examples.classes), config.fit)
        pixels = fit(examples.grey, examples.label, examples.fold, len(examples.classes), config.fit)
    recipe = recipe_of(vectors)
    weights, bias = fitted.weights.astype(np.float32), fitted.bias.astype(np.float32)
    model = ImageClassifier(
        examples.classes, weights, bias, fitted.threshold, config.label, recipe, config.fit.held_out
    )
    quality = measure(examples, fitted, pixels, config.fit.seed)
    report.gates = [
        _above_pixels(quality, config),
        _covers(quality, config),
        *_against_live(config, models, model, examples, quality),
    ]
    _describe(report, examples, fitted, quality)
    refuse_if_failed(report.gates)
    encoder = str(vectors.metadata.get("encoder", ""))
    about = {
        "metrics": {"all": quality},
        "origin": origin,
        "base": encoder,
        **({"encoder": encoder} if encoder else {}),
        "config": report.config,
        "licence": f"derived from {encoder}" if encoder else "your own",
    }
    published = registry.publish(models, NAME, model.save, live=True, **about)
    report.models[NAME], report.outcome = published.digest, "published"


def measure(examples: Examples, fitted: Fitted, pixels: Fitted, seed: int) -> dict[str, Any]:
    """Return the quality of the classifier on the held-out pictures, next to that of a classifier of raw pixels.

    Args:
        examples: The pictures, of which only the held-out ones are used.
        fitted: The classifier of vectors.
        pixels: The classifier of raw pixels.
        seed: Seed of the bootstrap.

    Returns:
        Numbers by name, for the report and the model's manifest. "said" is the share of pictures for which the
        classifier predicts a class, "right where said" its accuracy on these.
    """
    rows = examples.held_out
    truth, fold = examples.label[rows], examples.fold[rows]
    probabilities = fitted.probabilities(examples.vectors[rows], fold)
    said = probabilities.max(axis=1) >= fitted.threshold
    right = probabilities.argmax(axis=1) == truth
    right_pixels = pixels.probabilities(examples.grey[rows], fold).argmax(axis=1) == truth
    return {
        "accuracy": accuracy_interval(truth, probabilities.argmax(axis=1), seed).tree(),
        "accuracy of raw pixels": round(float(right_pixels.mean()), 5),
        "lead over raw pixels": difference(right.astype(float), right_pixels.astype(float), seed).tree(),
        "commonest class": round(float(np.bincount(truth).max() / len(truth)), 5),
        "said": round(float(said.mean()), 5),
        "right where said": round(accuracy(truth[said], probabilities[said].argmax(axis=1)), 5) if said.any() else None,
        "ece": reliability(truth, probabilities)["ece"],
        "learnt from": len(examples.label) - len(rows),
        "held out": len(rows),
        "classes": len(examples.classes),
    }


def _check(examples: Examples) -> None:
    """Raise UserError if a fold or the held-out pictures are too few to judge the classifier."""
    sizes = [int((examples.fold == fold).sum()) for fold in range(HELD_OUT, max(1, int(examples.fold.max()) + 1))]
    if min(sizes) < 2 or len(examples.held_out) < len(examples.classes):
        raise UserError(
            f"{len(examples.label):,} different pictures are too few for {len(examples.classes)} classes: load more "
            "pictures, or choose a column with fewer classes (label=...)"
        )


def _above_pixels(quality: dict[str, Any], config: TrainImageClassifierConfig) -> Gate:
    lead, least = quality["lead over raw pixels"]["value"], config.gates.pixels
    what = f"the accuracy lies {lead:+.3f} above that of a classifier of raw pixels, less than gates.pixels={least:g}"
    detail = explain(lead >= least, what, "its encoder adds nothing", "load more pictures, or take another encoder")
    return Gate("lead over raw pixels", lead, least, lead >= least, detail)


def _covers(quality: dict[str, Any], config: TrainImageClassifierConfig) -> Gate:
    said, least, sure = quality["said"], config.gates.coverage, config.fit.precision
    what = f"it is sure enough ({sure:.0%} right) of {said:.1%} of the pictures, less than gates.coverage={least:g}"
    do = "load more pictures, name coarser classes (label=...), or lower fit.precision"
    return Gate(
        "coverage", said, least, said >= least, explain(said >= least, what, "it would say hardly anything", do)
    )


def _against_live(
    config: TrainImageClassifierConfig,
    models: str,
    model: ImageClassifier,
    examples: Examples,
    quality: dict[str, Any],
) -> list[Gate]:
    """Return a list with the gate that compares the accuracy with the live model's on the same held-out pictures.

    The list is empty if there is no live model, or if it classifies other vectors or another column. The live model may
    have learnt from some of these pictures.
    """
    registered = registry.find_live(models, NAME)
    live = None if registered is None else ImageClassifier.load(registered.path)
    if live is None or (live.recipe, live.label) != (model.recipe, model.label):
        return []
    rows = examples.held_out
    names = np.array([*live.classes, ""])
    fold = np.full(len(rows), HELD_OUT)
    said = names[by_fold(examples.vectors[rows], fold, live.weights, live.bias).argmax(axis=1)]
    before = round(float(np.mean(said == np.array(examples.classes)[examples.label[rows]])), 5)
    now, least = quality["accuracy"]["value"], -config.gates.worse
    quality["accuracy of the live model"] = before
    passed = round(now - before, 5) >= least
    what = (
        f"its accuracy is {now:.3f} and that of the live model {before:.3f}, beyond gates.worse={config.gates.worse:g}"
    )
    detail = explain(passed, what, "labels would get worse", "look at what changed in the catalogue")
    return [Gate("accuracy against the live model", round(now - before, 5), least, passed, detail)]


def _describe(report: Report, examples: Examples, fitted: Fitted, quality: dict[str, Any]) -> None:
    """Enter metrics, highlights and the confusion matrix into the report."""
    report.metrics |= {"quality": {"all": quality}, "left out": examples.left_out, "log loss by penalty": fitted.losses}
    right = quality["right where said"]
    report.highlights = {
        "accuracy": f"{quality['accuracy']['value']:.1%}",
        "raw pixels": f"{quality['accuracy of raw pixels']:.1%}",
        "says a label": f"{quality['said']:.1%}",
        "right where it does": "-" if right is None else f"{right:.1%}",
    }
    rows = examples.held_out
    predicted = fitted.probabilities(examples.vectors[rows], examples.fold[rows]).argmax(axis=1)
    if len(examples.classes) <= _SHOWN:
        counts = confusion(examples.label[rows], predicted, len(examples.classes)).tolist()
        caption = "Pictures that were held out, by the catalogue's class (rows) and the classifier's (columns)."
        data = {"labels": list(examples.classes), "matrix": counts}
        report.figures.append(Figure("confusion", "What is taken for what", data, caption))
