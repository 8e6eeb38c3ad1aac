"""training_vectors: what encoders make of examples. Written by jobs that teach one model by another, read by them."""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table

TRAINING_VECTORS = Table(
    name="training_vectors",
    meaning="One row per encoder and text: the vector, computed once and read by every run that learns from it.",
    key=("encoder", "text_hash"),
    person=Person(trained=True),
    partition_by=("encoder",),
    columns=(
        Column("encoder", pa.string(), "Digest of all that the vectors depend on besides the text.", nullable=False),
        Column("text_hash", pa.string(), "BLAKE2b-128 hash of the text, 32 hex digits.", nullable=False, personal=True),
        # never a statistic's business: neither bound of a vector says anything
        Column("vector", pa.binary(), "The vector: numbers in half precision.", nullable=False, personal=True),
    ),
)
