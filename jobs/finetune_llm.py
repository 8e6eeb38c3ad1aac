"""support_dialogs (or any texts) -> tokens, packed; a language model trained on N workers -> model, if it is better."""

from shopbatch.job import Job, main
from shopbatch.report import Report
from shopbatch.tables.store import Store
from shopbatch.training.language_model import Config, finetune


def run(config: Config, store: Store, report: Report) -> None:
    """Train, compare with the base and the live model on held-out texts, and publish with the engine's export."""
    finetune(config, store, report)


JOB = Job("finetune_llm", Config, run)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
