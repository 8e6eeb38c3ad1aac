"""What of a model's layers becomes a text's vector: `encoder.json` of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from shopbatch.core.config import Strict
from shopbatch.models.folder import ModelError


class EncoderSpec(Strict):
    """`encoder.json` of a model folder: how its vectors are made. Without the file: the mean of the last layer.

    prefix: put before every text. layers: 0 is the embedding, -1 the last; those above the highest are not computed.
    pooling: over the tokens of a text. The vector is every pooling of every layer, joined: pooling-major.
    """

    prefix: str = ""
    layers: tuple[int, ...] = (-1,)
    pooling: tuple[Literal["mean", "max", "cls"], ...] = ("mean",)

    @classmethod
    def load(cls, folder: Path) -> EncoderSpec:
        """Raises ModelError if the file is there and wrong."""
        path = folder / "encoder.json"
        if not path.exists():
            return cls()
        try:
            return cls.model_validate_json(path.read_bytes())
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise ModelError(f"{path}: {where}: {first['msg']}") from None

    def depths(self, layers: int) -> tuple[int, ...]:
        """The layers counted from 0, of a model that has `layers`. Raises ModelError if it has not so many."""
        found = tuple(layer if layer >= 0 else layer + layers + 1 for layer in self.layers)
        if not found or not self.pooling or not all(0 <= depth <= layers for depth in found):
            raise ModelError(f"encoder.json asks for layers {list(self.layers)}; the model has {layers}")
        return found
