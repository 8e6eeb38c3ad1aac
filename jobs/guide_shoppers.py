"""shopper_requests, products -> constraints, filters, ranking, reasons -> guided_products, guided_products_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.search.guide.config import GuideShoppersConfig
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: GuideShoppersConfig, store: Store, report: Report) -> None:
    """Answer shoppers' free-text requests with products that meet them, and publish products and reasons."""
    from shopbatch.capabilities.search.guide.run import guide_shoppers

    guide_shoppers(config, store, report)


_SPECS = later("shopbatch.capabilities.search.guide.run:guide_specs")
JOB = Job("guide_shoppers", GuideShoppersConfig, run, specs=_SPECS, text="text", next="show guided_products")

if __name__ == "__main__":
    raise SystemExit(main(JOB))
