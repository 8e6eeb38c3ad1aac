"""reviews that say what they think -> tokens, packed; an encoder trained end to end -> model `sentiment`, if better."""

from shopbatch.capabilities.sentiment.train_encoder import Config, finetune
from shopbatch.runs.job import Job, main
from shopbatch.runs.report import Report
from shopbatch.warehouse.store import Store


def run(config: Config, store: Store, report: Report) -> None:
    """Train, calibrate, compare with the frozen encoder and the live model on held-out reviews, and publish."""
    finetune(config, store, report)


JOB = Job("finetune_encoder", Config, run)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
