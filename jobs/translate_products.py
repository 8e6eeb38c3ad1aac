"""products, product_descriptions, ads -> checked translations by language -> product_translations and its rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.translation.config import TranslateProductsConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: TranslateProductsConfig, store: Store, report: Report) -> None:
    """Translate new and changed product texts, and publish the translations that pass the checks."""
    from shopbatch.capabilities.translation.run import translate

    translate("translate_products", config, store, report)


_SPECS = later("shopbatch.capabilities.translation.run:product_specs")
JOB = Job(
    "translate_products",
    TranslateProductsConfig,
    run,
    session="late ray",
    specs=_SPECS,
    text="text",
    rows=later("shopbatch.capabilities.translation.trial:product_rows"),
    next="show product_translations",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
