"""Settings of an image encoder, from `image_encoder.json` of its folder or from `preprocessor_config.json`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, ValidationError

from shopbatch.core.config import Strict
from shopbatch.models import json_files
from shopbatch.models.folder import ModelError

SPEC_FILE = "image_encoder.json"
_PREPROCESSOR = "preprocessor_config.json"
_BILINEAR, _BICUBIC = 2, 3  # numbers of Pillow and of preprocessor_config.json
Triple = tuple[float, float, float]


class ImageSpec(Strict):
    """How pictures are resized and normalised for an image encoder, and which code runs the encoder."""

    architecture: Literal["transformers", "efficientnet-lite0"] = "transformers"
    """Which code runs the model. transformers: any vision model of that library. efficientnet-lite0: the model that a
    Python package provides."""
    size: int = Field(default=224, ge=8, le=2048)
    """Width and height in pixels of the pictures that the model reads."""
    fit: Literal["pad", "crop", "stretch"] = "crop"
    """How a picture becomes square. pad: the whole picture on a white square. crop: only its centre. stretch: the whole
    picture, distorted."""
    resample: Literal["bilinear", "bicubic"] = "bicubic"
    """Interpolation method for resizing."""
    mean: Triple = (0.5, 0.5, 0.5)
    """Mean of each channel (red, green, blue), subtracted from pixel values that are scaled to 0..1."""
    std: Triple = (0.5, 0.5, 0.5)
    """Standard deviation of each channel, by which the pixel values are divided after the mean is subtracted."""

    @property
    def any_size(self) -> bool:
        """Whether the model also accepts pictures of another size than `size`."""
        return self.architecture != "transformers"

    @classmethod
    def load(cls, folder: Path) -> ImageSpec:
        """Read `image_encoder.json` of a model folder or, without it, `preprocessor_config.json`.

        Args:
            folder: The model folder on this machine.

        Raises:
            ModelError: The folder has neither file, or the file is invalid.
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
    """Convert the content of `preprocessor_config.json` to fields of `ImageSpec`."""
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
    """Return the settings in a JSON tree; raise ModelError, with the path of its file, if they are invalid."""
    try:
        spec = ImageSpec.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{path}: {where}: {first['msg']}") from None
    if not all(value > 0 for value in spec.std):
        raise ModelError(f"{path}: std: every value must be above 0")
    return spec
