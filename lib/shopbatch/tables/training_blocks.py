"""Declares the table `training_blocks`: training documents as token ids, packed into blocks.

The fine-tuning jobs write it once, and their workers read it in every epoch.
"""

import pyarrow as pa

from shopbatch.tables.schema import Column, Person, Table

TRAINING_BLOCKS = Table(
    name="training_blocks",
    meaning="One row per block of packed documents; a pack is all blocks of one dataset, tokenizer and configuration.",
    key=("pack", "split", "block"),
    person=Person(trained=True),
    partition_by=("pack",),
    columns=(
        Column("pack", pa.string(), "Digest of all that the blocks depend on.", nullable=False),
        Column("split", pa.string(), "train or val.", nullable=False),
        Column("block", pa.int32(), "Number of the block in its split, from 0.", nullable=False),
        Column("ids", pa.list_(pa.int32()), "Token ids of the block's documents, one after the other.", nullable=False),
        Column("trained", pa.list_(pa.bool_()), "For each token whether it is trained on.", nullable=False),
        Column(
            "lengths", pa.list_(pa.int32()), "Tokens of each document; their sum is that of the ids.", nullable=False
        ),
        Column("labels", pa.list_(pa.int32()), "Class of each document, -1 where it has none.", nullable=False),
    ),
)
