"""Declares the table `training_vectors`: vectors that an encoder computed for training texts, kept as a cache.

Jobs in which one model learns from another model's vectors (distillation) write and read it.
"""

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
        # `personal` keeps it out of file statistics, where the bounds of a vector are useless
        Column("vector", pa.binary(), "The vector: numbers in half precision.", nullable=False, personal=True),
    ),
)
