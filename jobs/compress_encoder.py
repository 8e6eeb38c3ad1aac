"""reviews, an encoder -> cut the vocabulary, 8-bit integers, a head fitted anew -> models, registered if as good."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shopbatch.capabilities.sentiment.compress.config import CompressEncoderConfig
from shopbatch.runs.job import Job, main

if TYPE_CHECKING:
    from shopbatch.runs.report import Report
    from shopbatch.warehouse.store import Store


def run(config: CompressEncoderConfig, store: Store, report: Report) -> None:
    """Compress an encoder and register it with its head, unless that was done from the same reviews and source."""
    from shopbatch.capabilities.sentiment.compress.run import compress

    compress(config, store, report)


JOB = Job(
    "compress_encoder", CompressEncoderConfig, run, alone=True, makes=("compressed-encoder",), next="run score_reviews"
)

if __name__ == "__main__":
    raise SystemExit(main(JOB))
