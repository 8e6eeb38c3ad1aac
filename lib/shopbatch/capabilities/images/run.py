"""Run the job `embed_images`: computes a vector of each product picture and publishes the table `image_vectors`."""

from __future__ import annotations

from shopbatch.capabilities.images.config import EmbedImagesConfig
from shopbatch.capabilities.images.stage import ImageStage
from shopbatch.engines.images.factory import prepare_images
from shopbatch.inference.publish import find_live
from shopbatch.inference.run import run_inference
from shopbatch.inference.spec import Spec
from shopbatch.models.registry import base
from shopbatch.runs.report import EngineUse, Report
from shopbatch.tables.images import IMAGE_VECTORS, IMAGE_VECTORS_REJECTS, PRODUCT_IMAGES
from shopbatch.warehouse.store import Store


def image_spec(config: EmbedImagesConfig, store: Store, report: Report) -> Spec:
    """Return the inference job that embeds pictures, and enter engine and model into the report.

    Raises:
        ModelError: The encoder is missing or damaged.
    """
    path, digest = "", "fake"
    if config.engine.kind != "fake":
        model = base(f"{store.root}/_models", config.encoder)
        path, digest = model.path, model.digest
        report.metrics["encoder"] = model.reference
    report.engine, report.models, report.unit = EngineUse(config.engine.kind), {"encoder": digest}, "pictures"
    stage = ImageStage(config.engine, path, {"encoder": digest})
    return Spec("embed_images", PRODUCT_IMAGES, stage, IMAGE_VECTORS, IMAGE_VECTORS_REJECTS)


def image_specs(config: EmbedImagesConfig, store: Store, report: Report) -> list[Spec]:
    """Return the inference jobs that `embed_images` consists of: exactly one."""
    return [image_spec(config, store, report)]


def embed_images(config: EmbedImagesConfig, store: Store, report: Report) -> None:
    """Embed new and changed pictures and publish their vectors. Raises the errors of `run_inference`."""
    spec = image_spec(config, store, report)
    prepare_images(config.engine, spec.stage.encoder or None)  # type: ignore[attr-defined]
    encoder = {"encoder": str(report.metrics.get("encoder", ""))}
    run_inference(spec, config, store, report, before_commit=lambda candidate: encoder)
    live = find_live(spec, store)
    if live is not None:
        report.highlights = {"pictures": f"{live.rows:,}"}
