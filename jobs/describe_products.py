"""products -> product copy whose claims are backed (generator + checks) -> product_descriptions and its rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.runs.job import Job, later, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: Config, store: Store, report: Report) -> None:
    """Write product copy (headline, description, bullets) for new and changed products, and publish it."""
    from shopbatch.capabilities.copywriting.run import describe

    describe(config, store, report)


_HOME = "shopbatch.capabilities.copywriting"
JOB = Job(
    "describe_products",
    Config,
    run,
    session="late ray",
    estimate=later(f"{_HOME}.estimate:estimate"),
    specs=later(f"{_HOME}.run:copy_specs"),
    text="title",
    next="show product_descriptions",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
