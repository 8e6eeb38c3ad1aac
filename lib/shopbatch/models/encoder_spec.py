"""How an encoder is used: `encoder.json` of a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from shopbatch.core.config import Strict
from shopbatch.models.folder import ModelError


class EncoderSpec(Strict):
    """How an encoder makes its vectors. A folder without `encoder.json` takes the mean of the last layer.

    The vector joins every pooling of every layer: first all layers under the first pooling, then under the next.
    """

    prefix: str = Field(default="", max_length=1000)
    """Is put before every text."""
    layers: tuple[int, ...] = Field(default=(-1,), max_length=64)
    """Layers whose states are pooled: 0 is the embedding, -1 the last layer. Those above the highest are not
    computed."""
    pooling: tuple[Literal["mean", "max", "cls"], ...] = Field(default=("mean",), max_length=3)
    """How the states of a text's tokens become one: their mean, their maximum, or the first token's state."""

    query: str = Field(default="", max_length=1000)
    """Is put before a text that somebody searches for, by those who search with the vectors."""
    passage: str = Field(default="", max_length=1000)
    """Is put before a text that is to be found."""

    def as_json(self) -> dict[str, Any]:
        """Return the content of `encoder.json`. What only searching needs is left out where it says nothing."""
        return self.model_dump(mode="json", exclude={n for n in ("query", "passage") if not getattr(self, n)})

    @classmethod
    def load(cls, folder: Path) -> EncoderSpec:
        """Read `encoder.json` of a model folder.

        Raises:
            ModelError: The file is there and wrong.
        """
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
        """Return the layers counted from 0.

        Args:
            layers: The number of layers of the model.

        Raises:
            ModelError: The model has fewer layers than the spec names, or the spec names none.
        """
        depths = tuple(layer if layer >= 0 else layer + layers + 1 for layer in self.layers)
        if not depths or not self.pooling or not all(0 <= depth <= layers for depth in depths):
            raise ModelError(f"encoder.json asks for layers {list(self.layers)}; the model has {layers}")
        return depths
