"""reviews that say what they think -> tokens, packed; an encoder trained end to end -> model `sentiment`, if better."""

from shopbatch.job import Job, main
from shopbatch.report import Report
from shopbatch.tables.store import Store
from shopbatch.training.sentiment_encoder import Config, finetune


def run(config: Config, store: Store, report: Report) -> None:
    """Train, calibrate, compare with the frozen encoder and the live model on held-out reviews, and publish."""
    finetune(config, store, report)


JOB = Job("finetune_encoder", Config, run)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
