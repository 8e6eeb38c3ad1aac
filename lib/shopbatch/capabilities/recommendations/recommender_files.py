"""Save and load a recommender as a folder: arrays as safetensors, settings as JSON. No pickle is read or written."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from shopbatch.capabilities.recommendations.cold import TextVectors
from shopbatch.capabilities.recommendations.discover import Discover
from shopbatch.capabilities.recommendations.habit import Habit
from shopbatch.capabilities.recommendations.neighbours import Neighbours
from shopbatch.capabilities.recommendations.sequence_model import SequenceModel
from shopbatch.capabilities.recommendations.sequence_part import SequencePart
from shopbatch.capabilities.recommendations.text_part import TextPart
from shopbatch.core.errors import UserError
from shopbatch.models.folder import ModelError

_NUMBERS, _WORDS = "recommender.safetensors", "recommender.json"


@dataclass(frozen=True)
class Kept:
    """The parts of a recommender that its folder stores; the attributes are those of `recommender.Recommender`."""

    product_ids: tuple[str, ...]
    habit: Habit
    discover: Discover
    sequence: SequencePart | None
    text: TextPart | None
    actions: tuple[int, ...]


def save(kept: Kept, folder: Path) -> None:
    """Write a recommender into `folder`: arrays and settings, and the files of the sequence part if there is one.

    The product ids are stored as bytes beside the arrays, because a JSON file with all of them could be too long to
    read.
    """
    near, names = kept.discover.neighbours, [name.encode() for name in kept.product_ids]
    filled = np.flatnonzero((near.weight > 0).any(1))  # items with neighbours; most are bought too rarely to have any
    arrays = {
        "factor": kept.habit.factor,
        "popularity": kept.habit.popularity,
        "filled": filled,
        "neighbours": near.item[filled].astype(np.int32),
        "weights": near.weight[filled],
        "trend": near.trend,
        "base": kept.discover.base,
        "names": np.frombuffer(b"".join(names), np.uint8),
        "name_ends": np.cumsum([len(name) for name in names], dtype=np.int64),
    }
    words: dict[str, Any] = {"half_life": kept.habit.half_life, "decay": near.decay, "actions": kept.actions}
    if (part := kept.sequence) is not None:
        part.model.save(folder)
        arrays["sequence_items"] = part.items
        words["sequence"] = {"discover": part.discover, "again": part.again}
    if (text := kept.text) is not None:
        arrays |= {
            "text_starts": text.texts.starts,
            "text_words": text.texts.word.astype(np.int32),
            "text_weights": text.texts.weight,
            "text_of": text.text.astype(np.int32),
            "cold": text.cold,
        }
        words["text"] = {"words": text.texts.words, "weight": text.weight}
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _NUMBERS)
    (folder / _WORDS).write_text(json.dumps(words, indent=1) + "\n", "utf-8")


def load(folder: Path) -> Kept:
    """Read a recommender from a folder that `save` wrote.

    Raises:
        UserError: The folder does not hold a recommender.
        ModelError: A file is damaged, or the files do not fit together.
    """
    if not (folder / _NUMBERS).is_file() or not (folder / _WORDS).is_file():
        raise UserError(f"model {folder}: it is no recommender; train one: shopbatch run train_recommender")
    try:
        return _read(folder)
    except (SafetensorError, KeyError, ValueError, TypeError, IndexError):
        raise ModelError(f"model {folder} is damaged: {_WORDS} and {_NUMBERS} do not fit together") from None


def _read(folder: Path) -> Kept:
    arrays, words = load_file(folder / _NUMBERS), json.loads((folder / _WORDS).read_text("utf-8"))
    filled, shape = arrays["filled"], (len(arrays["trend"]), arrays["weights"].shape[1])
    item, weight = np.full(shape, -1, np.int64), np.zeros(shape, np.float32)
    item[filled], weight[filled] = arrays["neighbours"], arrays["weights"]
    near = Neighbours(item, weight, words["decay"], arrays["trend"])
    habit = Habit(words["half_life"], arrays["factor"], arrays["popularity"])
    ends, data = arrays["name_ends"].tolist(), arrays["names"].tobytes()
    names = tuple(data[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)) if ends else ()
    sequence, text = None, None
    if (shares := words.get("sequence")) is not None:
        sequence = SequencePart(SequenceModel.load(folder), arrays["sequence_items"], **shares)
    if (of_text := words.get("text")) is not None:
        starts, numbers, weights = (arrays[name] for name in ("text_starts", "text_words", "text_weights"))
        vectors = TextVectors(starts, numbers.astype(np.int64), weights, int(of_text["words"]))
        text = TextPart(vectors, arrays["text_of"].astype(np.int64), arrays["cold"], float(of_text["weight"]))
    actions = tuple(int(action) for action in words["actions"])
    return Kept(names, habit, Discover(near, arrays["base"]), sequence, text, actions)
