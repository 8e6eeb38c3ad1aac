"""A pack is made once; one that lost a file is made again, and a split without a block is the user's mistake."""

import random
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from shopbatch.core.errors import UserError
from shopbatch.training import blocks
from shopbatch.training.blocks import Encode, Pack
from shopbatch.training.packing import Document
from shopbatch.warehouse.store import Store
from tests.warehouse.rot import flip

pytestmark = pytest.mark.usefixtures("ray_local")
PARTS = {"train": pa.table({"text": [f"text {i}" for i in range(50)]}), "val": pa.table({"text": ["a", "b"]})}


def prepare(store: Store, block: int = 32, parts: Mapping[str, pa.Table] = PARTS) -> Pack:
    def encode(batch: pa.Table) -> list[Document | None]:
        texts = [np.frombuffer(t.encode(), np.uint8).astype(np.int32) for t in batch["text"].to_pylist()]
        return [Document(t, np.ones(len(t), bool)) if len(t) <= block else None for t in texts]

    made: Encode = encode
    return blocks.prepare(store, parts, {}, made, block, 0)


@pytest.mark.parametrize("damage", ["gone", "cut", "flipped"])
def test_one_that_lost_a_file_is_made_again_and_stays(store: Store, damage: str) -> None:
    first = prepare(store)
    assert prepare(store) == first
    lost = Path(first.files["train"][0].removeprefix("file://"))
    if damage == "gone":
        lost.unlink()
    elif damage == "cut":
        lost.write_bytes(lost.read_bytes()[:-9])
    else:
        flip(lost, random.Random(1))
    assert damage == "flipped" or blocks.find(store, first.name) is None
    second = prepare(store)
    assert lost.name in second.set_aside and not lost.exists()
    assert second.blocks == first.blocks and second.files != first.files
    assert np.array_equal(second.read("val").ids, first.read("val").ids)
    assert prepare(store) == second and second.documents() == 52


@pytest.mark.parametrize(
    ("block", "said"), [(2, "no example for train fits"), (0, "no example fits")], ids=["train", "all"]
)
def test_a_split_that_has_no_block(store: Store, block: int, said: str) -> None:
    with pytest.raises(UserError, match=f"{said} into a block of loop.block_tokens={block}"):
        prepare(store, block)
