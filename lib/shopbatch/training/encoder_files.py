"""A trained encoder as a model folder: the best weights of a run, mixed with the base's, and the base's tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import local
from shopbatch.models.loading import load_encoder, quietly
from shopbatch.training.checkpoint_files import best_name
from shopbatch.training.checkpoints import Checkpoints
from shopbatch.training.parallel import Parallel
from shopbatch.training.worker import Run


def trained_objective(run: Run, best_step: int, mix: float) -> Any:
    """Return the objective of a run with its best weights, mixed with those that the training began with.

    Every weight is start + mix * (trained - start): between the base and the trained weights lies a model that is as
    good on texts like the examples and better on others (Wortsman et al. 2022, "Robust fine-tuning of zero-shot
    models").
    """
    objective: Any = run.plan.build()
    start = [p.detach().clone() for p in objective.parameters()]
    Checkpoints(run.folder, run.key, Parallel()).load(objective, name=best_name(best_step))
    with torch.no_grad():
        for trained, initial in zip(objective.parameters(), start, strict=True):
            trained.lerp_(initial, 1 - mix)
    objective.encoder.set_attn_implementation("sdpa")  # our own implementation is for packed documents
    return objective


def write_encoder(folder: Path, objective: Any, base: str, spec: EncoderSpec) -> None:
    """Write an objective's encoder into an empty folder.

    Args:
        folder: The folder.
        objective: As `trained_objective` returns it.
        base: Folder of the model that it was made from; its tokenizer is taken over.
        spec: How the encoder makes vectors.
    """
    _write(folder, objective.encoder, base, spec)


def write_cut(folder: Path, base: str, spec: EncoderSpec) -> None:
    """Write an encoder, cut off above the highest layer that `spec` names, into an empty folder.

    Raises:
        ModelError: It has fewer layers.
    """
    encoder, _ = load_encoder(local(base), spec, pooler=False)
    _write(folder, encoder, base, spec)


def _write(folder: Path, encoder: Any, base: str, spec: EncoderSpec) -> None:
    with quietly():
        encoder.save_pretrained(folder)
    source = local(base)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        if (source / name).exists():
            (folder / name).write_bytes((source / name).read_bytes())
    (folder / "encoder.json").write_text(json.dumps(spec.as_json(), indent=1) + "\n", "utf-8")
