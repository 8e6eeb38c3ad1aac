"""How an image encoder is used: `image_encoder.json` of a model folder, or what its preprocessor says."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from shopbatch.core.config import Strict
from shopbatch.models import json_files
from shopbatch.models.folder import ModelError

SPEC_FILE = "image_encoder.json"
_PREPROCESSOR = "preprocessor_config.json"
_BILINEAR, _BICUBIC = 2, 3  # as Pillow and preprocessors number them
Triple = tuple[float, float, float]


class ImageSpec(Strict):
    """What becomes of a picture before the model reads it, and which code reads it."""

    architecture: Literal["transformers", "efficientnet-lite0"] = "transformers"
    """transformers: any vision model of that library. efficientnet-lite0: the one that comes in a package."""
    size: int = Field(default=224, ge=8, le=2048)
    """Pixels a side."""
    fit: Literal["pad", "crop", "stretch"] = "crop"
    """How a picture becomes square: the whole of it on white, its middle, or all of it out of shape."""
    resample: Literal["bilinear", "bicubic"] = "bicubic"
    """How pixels in between are found."""
    mean: Triple = (0.5, 0.5, 0.5)
    """Is subtracted from values from 0 to 1; red, green, blue."""
    std: Triple = (0.5, 0.5, 0.5)
    """What is left is divided by this."""

    @property
    def any_size(self) -> bool:
        """Whether the model reads pictures of other sizes as well."""
        return self.architecture != "transformers"

    @classmethod
    def load(cls, folder: Path) -> ImageSpec:
        """Read `image_encoder.json` of a model folder; without one, its `preprocessor_config.json`.

        Raises:
            ModelError: Neither is there, or one is wrong.
        """
        if (folder / SPEC_FILE).exists():
            return _valid(folder / SPEC_FILE, json_files.read(folder / SPEC_FILE, f"{folder}: {SPEC_FILE}"))
        if not (folder / _PREPROCESSOR).exists():
            raise ModelError(f"{folder} is no image encoder: it has neither {SPEC_FILE} nor {_PREPROCESSOR}")
        what = f"{folder}: {_PREPROCESSOR}"
        tree = json_files.read(folder / _PREPROCESSOR, what)
        if not isinstance(tree, dict):
            raise ModelError(f"{what} cannot be read: it is not an object")
        return _valid(folder / _PREPROCESSOR, _of_preprocessor(tree))


def _of_preprocessor(tree: dict[str, Any]) -> dict[str, Any]:
    crops = bool(tree.get("do_center_crop", False))
    size = tree.get("crop_size") if crops else tree.get("size")
    if isinstance(size, dict):
        size = size.get("height", size.get("shortest_edge"))
    out: dict[str, Any] = {"fit": "crop" if crops else "stretch"}
    stated = {"size": size, "mean": tree.get("image_mean"), "std": tree.get("image_std")}
    out |= {name: value for name, value in stated.items() if value is not None}
    out["resample"] = "bilinear" if tree.get("resample") == _BILINEAR else "bicubic"
    if tree.get("do_normalize") is False:
        out |= {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    return out


def _valid(path: Path, tree: Any) -> ImageSpec:
    try:
        spec = ImageSpec.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: {where}: {first['msg']}") from None
    if not all(value > 0 for value in spec.std):
        raise ModelError(f"{path}: std: every value must be above 0")
    return spec
