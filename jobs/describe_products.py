"""products -> grounded copy (text generator + checks) -> product_descriptions, product_descriptions_rejects."""

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.estimate import estimate
from shopbatch.capabilities.copywriting.run import describe
from shopbatch.runs.job import Job, main
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store


def run(config: Config, store: Store, report: Report) -> None:
    """Describe what is new or changed and publish. Raises as `describe` does."""
    describe(config, store, report)


JOB = Job("describe_products", Config, run, estimate=estimate)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
