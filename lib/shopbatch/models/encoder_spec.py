"""Reads and writes `encoder.json` of a model folder: the layers, pooling and prefixes of an encoder's vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from shopbatch.core.config import Strict
from shopbatch.models.folder import ModelError


class EncoderSpec(Strict):
    """How a text encoder makes its vectors; the content of `encoder.json`.

    Without that file the vector is the mean of the last layer. With several layers and poolings, the vector
    concatenates all combinations: first all layers under the first pooling, then all layers under the next.
    """

    prefix: str = Field(default="", max_length=1000)
    """Text that is put before every text, such as "query: "."""
    layers: tuple[int, ...] = Field(default=(-1,), max_length=64)
    """Layers whose hidden states are pooled: 0 is the embedding, -1 the last layer. Layers above the highest one are
    not computed."""
    pooling: tuple[Literal["mean", "max", "cls"], ...] = Field(default=("mean",), max_length=3)
    """How the hidden states of a text's tokens become one vector: mean, max, or cls (the state of the first token)."""

    query: str = Field(default="", max_length=1000)
    """Text that search jobs put before a search query."""
    passage: str = Field(default="", max_length=1000)
    """Text that search jobs put before a text that can be found, such as a product."""

    def as_json(self) -> dict[str, Any]:
        """Return the content of `encoder.json`, without empty `query` and `passage`."""
        return self.model_dump(mode="json", exclude={n for n in ("query", "passage") if not getattr(self, n)})

    @classmethod
    def load(cls, folder: Path) -> EncoderSpec:
        """Read `encoder.json` of a model folder; the defaults if there is no such file.

        Args:
            folder: The model folder on this machine.

        Raises:
            ModelError: The file is invalid.
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
        """Return the layers that the spec names, counted from 0 (the embedding): (7, -1) of 12 layers -> (7, 12).

        Args:
            layers: The number of layers of the model.

        Raises:
            ModelError: The model has fewer layers than the spec names, or the spec names no layer or no pooling.
        """
        depths = tuple(layer if layer >= 0 else layer + layers + 1 for layer in self.layers)
        if not depths or not self.pooling or not all(0 <= depth <= layers for depth in depths):
            raise ModelError(f"encoder.json asks for layers {list(self.layers)}; the model has {layers}")
        return depths
