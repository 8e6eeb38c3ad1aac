"""Run the job `classify_images`: predicts each picture's class and compares it with that in the catalogue.

It publishes the table `product_image_labels`, and a page of the pictures that contradict the catalogue.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import polars as pl
import pyarrow as pa

from shopbatch.capabilities.images import page
from shopbatch.capabilities.images.config import ClassifyImagesConfig
from shopbatch.capabilities.images.model import NAME, ImageClassifier
from shopbatch.capabilities.images.publishing import live_of, publish
from shopbatch.capabilities.images.rows import Vectors, catalogue_classes, each_file, recipe_of, require_pictures
from shopbatch.core.errors import UserError
from shopbatch.models import registry
from shopbatch.runs.report import Figure, Report
from shopbatch.tables.images import FINDINGS, PRODUCT_IMAGE_LABELS
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.publish import rows_of
from shopbatch.warehouse.store import Snapshot, Store

VERSION = 1  # of the rules for findings; if it is raised, the next run classifies again


def classify_images(config: ClassifyImagesConfig, store: Store, report: Report) -> None:
    """Classify all pictures, compare them with the catalogue, and publish the result, unless it is up to date already.

    Raises:
        UserError: There is no classifier, or the vectors come from another encoder than the classifier's.
        GateRefused: The table would shrink too far.
    """
    model = registry.resolve(f"{store.root}/_models", config.model)
    classifier = ImageClassifier.load(model.path)
    images, vectors = require_pictures(store)
    products = store.require(PRODUCTS, ("product_id", classifier.label))
    report.unit, report.models = "pictures", {NAME: model.digest}
    report.tables |= {source.name: {"read": source.version} for source in (images, vectors, products)}
    report.rows.read = vectors.rows
    if recipe_of(vectors) != classifier.recipe:
        raise UserError(
            f"the classifier {config.model} was trained on vectors of another encoder: run train_image_classifier"
        )
    sources = {s.name: {"table_id": s.table_id, "version": s.version} for s in (vectors, products)}
    origin = {"version": VERSION, "model": model.digest, "contradiction": config.contradiction, "sources": sources}
    live = live_of(store, PRODUCT_IMAGE_LABELS, origin, report)
    if live.same:
        return
    named = catalogue_classes(products, classifier.label)
    reference = model.reference if model.manifest else f"{model.name}@{model.digest[:12]}"
    counted: Counter[str] = Counter()

    def parts() -> Iterator[pa.Table]:
        for some in each_file(vectors):
            rows = labelled(some, classifier, named, config.contradiction)
            counted.update(rows["finding"].to_list())
            fixed = {"model": pa.repeat(reference, len(rows)), "run_id": pa.repeat(report.run_id, len(rows))}
            yield PRODUCT_IMAGE_LABELS.fill(len(rows), **{n: rows[n].to_arrow() for n in rows.columns}, **fixed)

    with report.stage("classify") as stage:
        published = publish(
            store,
            report,
            PRODUCT_IMAGE_LABELS,
            parts(),
            live,
            rows_of({s.name: s for s in (vectors, products)}),
            config.gates,
        )
        stage.rows = vectors.rows
    if published is None:
        return
    report.metrics["findings"] = {finding: counted[finding] for finding in FINDINGS}
    silent = {"unsure": counted["unsure"], "without a known category": counted["no_category"]}
    why = ", ".join(f"{count:,} {what}" for what, count in silent.items() if count)
    report.highlights = {finding: f"{counted[finding]:,}" for finding in ("agrees", "contradicts")}
    report.highlights["not judged"] = f"{sum(silent.values()):,}" + (f" ({why})" if why else "")
    series = {"pictures": [counted[finding] for finding in FINDINGS]}
    groups = [finding.replace("_", " ") for finding in FINDINGS]
    report.figures.append(Figure("bars", "Pictures and catalogue", {"groups": groups, "series": series}))
    _write_page(config, store, report, published, images)


def labelled(
    some: Vectors, classifier: ImageClassifier, named: Mapping[str, str], contradiction: float
) -> pl.DataFrame:
    """Predict the class of each picture, and compare it with the class of its product in the catalogue.

    Args:
        some: The pictures and their vectors.
        classifier: The classifier.
        named: {product id: class in the catalogue}.
        contradiction: A picture contradicts the catalogue if the classifier is sure of another class, and gives the
            catalogue's class at most this probability (0..1).

    Returns:
        A row for each picture: image_id, product_id, label (the predicted class; null if the classifier is not sure
        enough), probability (of the likeliest class), catalogue (the catalogue's class, or null), p_catalogue
        (probability of that class, or null) and finding: "agrees", "contradicts", "unsure", or "no_category" (the
        catalogue has no class for the product, or one that the classifier does not know).
    """
    probabilities = classifier.probabilities(some.floats(), some.sha256)
    best, top = probabilities.argmax(axis=1), probabilities.max(axis=1)
    number = {name: place for place, name in enumerate(classifier.classes)}
    catalogue = [named.get(product) if product is not None else None for product in some.products]
    place = np.array([number.get(name, -1) if name is not None else -1 for name in catalogue])
    known, sure = place >= 0, top >= classifier.threshold
    own = probabilities[np.arange(len(place)), np.maximum(place, 0)]
    finding = np.full(len(place), "unsure", dtype=object)
    finding[sure & known & (best == place)] = "agrees"
    finding[sure & known & (best != place) & (own <= contradiction)] = "contradicts"
    finding[~known] = "no_category"
    names = np.array(classifier.classes, dtype=object)
    return pl.DataFrame(
        {
            "image_id": some.image_ids,
            "product_id": pl.Series(some.products, dtype=pl.String),
            "label": pl.Series(
                [name if is_sure else None for name, is_sure in zip(names[best], sure, strict=True)], dtype=pl.String
            ),
            "probability": top.astype(np.float32),
            "catalogue": pl.Series(catalogue, dtype=pl.String),
            "p_catalogue": pl.Series(
                [float(p) if k else None for p, k in zip(own, known, strict=True)], dtype=pl.Float32
            ),
            "finding": pl.Series(finding.tolist(), dtype=pl.String),
        }
    )


def _write_page(
    config: ClassifyImagesConfig, store: Store, report: Report, published: Snapshot, images: Snapshot
) -> None:
    """Write the page of the pictures that contradict the catalogue, the clearest contradictions first."""
    counted = report.metrics["findings"]
    with report.stage("page") as stage:
        frame = pl.DataFrame(published.read()).filter(pl.col("finding") == "contradicts")
        rows = frame.sort("p_catalogue", "image_id").head(config.page.pictures)
        cards = [
            page.Card(
                row["image_id"],
                f"looks like {row['label']} ({row['probability']:.0%})",
                f"catalogue: {row['catalogue']} · {page.of_product(row['product_id'])}",
            )
            for row in rows.iter_rows(named=True)
        ]
        note = (
            f"{_pictures(frame.height)} contradict{'s' * (frame.height == 1)} the catalogue, the surest first. Either "
            "the product stands in the wrong class, or it has a wrong picture, or the classifier is wrong: look before "
            f"you change anything. {_silent(counted)}"
        )
        sections = [page.Section("Pictures that contradict the catalogue", note, [[card] for card in cards])]
        stage.rows = page.write(store, report, "What pictures show", sections, images)


def _pictures(count: int) -> str:
    return f"{count:,} picture{'s' * (count != 1)}"


def _silent(counted: Mapping[str, int]) -> str:
    """Return a sentence on how many pictures were not compared with the catalogue, and why; "" if all were.

    Args:
        counted: Number of pictures by finding, such as "unsure".
    """
    unsure, none = counted["unsure"], counted["no_category"]
    parts = [
        f"it is not sure enough of {_pictures(unsure)}" if unsure else "",
        f"{_pictures(none)} {'has' if none == 1 else 'have'} no category that it has learnt" if none else "",
    ]
    said = ", and ".join(filter(None, parts))
    return f"The classifier does not judge the others: {said}." if said else ""
