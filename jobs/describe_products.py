"""products -> grounded copy (text generator + checks) -> product_descriptions, product_descriptions_rejects."""

from shopbatch.copywriting.config import Config
from shopbatch.copywriting.estimate import estimate
from shopbatch.copywriting.run import describe
from shopbatch.job import Job, main
from shopbatch.report import Report
from shopbatch.tables.store import Store


def run(config: Config, store: Store, report: Report) -> None:
    """Describe what is new or changed and publish. Raises as `describe` does."""
    describe(config, store, report)


JOB = Job("describe_products", Config, run, estimate=estimate)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
