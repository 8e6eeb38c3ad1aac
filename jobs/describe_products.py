"""products -> grounded copy (text generator + checks) -> product_descriptions, product_descriptions_rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.inference.spec import Spec
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: Config, store: Store, report: Report) -> None:
    """Describe the new and changed products and publish their copy."""
    from shopbatch.capabilities.copywriting.run import describe

    describe(config, store, report)


def estimate(config: Config, store: Store) -> dict[str, Any]:
    """Say what a run would compute and cost."""
    from shopbatch.capabilities.copywriting.estimate import estimate

    return estimate(config, store)


def specs(config: Config, store: Store, report: Report) -> list[Spec]:
    """Name the inference job of each language."""
    from shopbatch.capabilities.copywriting.run import language_specs

    return [each.spec for each in language_specs(config, store, report)]


JOB = Job(
    "describe_products",
    Config,
    run,
    estimate=estimate,
    specs=specs,
    text="title",
    next="show product_descriptions",
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
