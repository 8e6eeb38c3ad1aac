"""A model's vocabulary cut to the tokens that are needed: its tokenizer and its embedding, together.

A text whose tokens are all kept gets the tokens that it had before, whichever of the three algorithms the tokenizer
uses: the best split of a unigram model is the best one of fewer splits too, the longest match of WordPiece is still the
longest, and of byte-pair merges all those are kept that lead to a token. Another text is split into smaller tokens.
Every token of one character stays, so a character that the model knew is not unknown afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from shopbatch.models import json_files
from shopbatch.models.encoder_spec import EncoderSpec
from shopbatch.models.folder import ModelError
from shopbatch.models.loading import load_encoder, quietly

_MARKS = ("▁", "##", "Ġ", "</w>")  # of the beginning or the inside of a word: not a character of the text
_COPIED = ("tokenizer_config.json", "special_tokens_map.json")
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


def needed_ids(tree: Mapping[str, Any], seen: np.ndarray) -> np.ndarray:
    """Return the ids to keep, ascending int64: those seen, those that merges need, single characters and special ones.

    Args:
        tree: The content of `tokenizer.json`.
        seen: Ids of the tokens that texts are made of.

    Raises:
        ModelError: The tokenizer is of a kind whose vocabulary cannot be cut.
    """
    vocabulary = _vocabulary(tree)
    ids = dict(vocabulary)
    special = {str(token["content"]) for token in tree.get("added_tokens") or ()} | _special(tree)
    keep = {i for token, i in vocabulary if len(_bare(token)) <= 1 or token in special}
    keep |= {ids[token] for token in special if token in ids} | {int(i) for i in seen}
    keep |= {int(token["id"]) for token in tree.get("added_tokens") or ()}
    if tree["model"]["type"] == "BPE":
        keep |= _parts(_merges(tree), ids, {token for token, i in vocabulary if i in keep})
    return np.array(sorted(keep), np.int64)


def prune(source: Path, target: Path, spec: EncoderSpec, seen: np.ndarray | None) -> tuple[int, int]:
    """Write an encoder into an empty folder, with fewer tokens and without the layers that its vectors do not need.

    Args:
        source: The encoder's folder.
        target: The empty folder.
        spec: How its vectors are made.
        seen: Ids of the tokens that texts are made of; None keeps the whole vocabulary.

    Returns:
        How many tokens there are now, and how many there were.

    Raises:
        ModelError: The encoder has no `tokenizer.json`, or one of a kind that cannot be cut.
    """
    import torch

    model, spec = load_encoder(source, spec, pooler=False)
    embedding = model.get_input_embeddings()
    before = int(embedding.weight.shape[0])
    what = f"{source}: tokenizer.json"
    tree = json_files.read(source / "tokenizer.json", what, json_files.LARGE) if _has_tokenizer(source) else None
    if tree is None:
        raise ModelError(f"{source} has no tokenizer.json, so its vocabulary cannot be cut")
    kept = before
    if seen is not None:
        stated = [i for name in _IDS if isinstance(i := getattr(model.config, name, None), int)]
        ids = needed_ids(tree, np.concatenate([np.asarray(seen, np.int64), [*stated, *_named(source, tree)]]))
        ids = ids[ids < before]
        new = {int(old): place for place, old in enumerate(ids.tolist())}
        with torch.no_grad():
            rows = embedding.weight[torch.from_numpy(ids)].clone()
        pad = new.get(int(model.config.pad_token_id)) if model.config.pad_token_id is not None else None
        model.set_input_embeddings(torch.nn.Embedding(len(ids), rows.shape[1], padding_idx=pad, _weight=rows))
        model.config.vocab_size = kept = len(ids)
        for name in _IDS:
            if isinstance(old := getattr(model.config, name, None), int):
                setattr(model.config, name, new.get(old))
        tree = cut_tokenizer(tree, new)
    with quietly():
        model.save_pretrained(target)
    (target / "tokenizer.json").write_text(json.dumps(tree, ensure_ascii=False), "utf-8")
    for name in _COPIED:
        if (source / name).exists():
            (target / name).write_bytes((source / name).read_bytes())
    (target / "encoder.json").write_text(json.dumps(spec.as_json(), indent=1) + "\n", "utf-8")
    return kept, before


def cut_tokenizer(tree: Mapping[str, Any], new: Mapping[int, int]) -> dict[str, Any]:
    """Return the content of `tokenizer.json` with only these tokens.

    Args:
        tree: The content.
        new: The new id of each token that stays, by its old one.
    """
    model = dict(tree["model"])
    if model["type"] == "Unigram":
        model["vocab"] = [pair for old, pair in enumerate(model["vocab"]) if old in new]
        if model.get("unk_id") is not None:
            model["unk_id"] = new[int(model["unk_id"])]
    else:
        model["vocab"] = {token: new[i] for token, i in model["vocab"].items() if i in new}
    if model["type"] == "BPE":
        words = model["vocab"]
        merges = zip(model["merges"], _merges(tree), strict=True)
        model["merges"] = [m for m, (a, b) in merges if a in words and b in words and a + b in words]
    added = [{**token, "id": new[int(token["id"])]} for token in tree.get("added_tokens") or ()]
    return {**tree, "model": model, "added_tokens": added, "post_processor": _renumbered(tree, new)}


def _has_tokenizer(folder: Path) -> bool:
    return (folder / "tokenizer.json").exists()


def _named(folder: Path, tree: Mapping[str, Any]) -> list[int]:
    """The ids of the tokens that `tokenizer_config.json` gives a role, such as padding."""
    path = folder / "tokenizer_config.json"
    roles = json_files.read(path, str(path)) if path.exists() else {}
    names = [each.get("content") if isinstance(each, Mapping) else each for each in roles.values()]
    ids = dict(_vocabulary(tree))
    return [ids[name] for name in names if isinstance(name, str) and name in ids]


def _vocabulary(tree: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The tokens and their ids, as the model's own list has them."""
    model = tree["model"]
    kind = model.get("type")
    if kind == "Unigram":
        return [(str(piece), place) for place, (piece, _) in enumerate(model["vocab"])]
    if kind in ("WordPiece", "BPE"):
        return [(str(token), int(i)) for token, i in model["vocab"].items()]
    raise ModelError(f"a vocabulary of the kind {kind!r} cannot be cut; set vocabulary.prune=false")


def _bare(token: str) -> str:
    """The characters of a token without the mark of where it stands in a word."""
    for mark in _MARKS:
        token = token.removeprefix(mark).removesuffix(mark) if token != mark else token
    return token


def _special(tree: Mapping[str, Any]) -> set[str]:
    """The tokens that are no part of a text, as far as the model names them by their text."""
    model = tree["model"]
    named = {str(model["unk_token"])} if model.get("unk_token") else set()
    if model.get("type") == "Unigram" and model.get("unk_id") is not None:
        named.add(str(model["vocab"][int(model["unk_id"])][0]))
    return named | {name for name, _ in _post_tokens(tree)}


def _merges(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The merges, as pairs; older files write a pair as one text."""
    pairs = [m.split(" ") if isinstance(m, str) else m for m in tree["model"].get("merges") or ()]
    return [(str(a), str(b)) for a, b in pairs]


def _parts(merges: Iterable[tuple[str, str]], ids: Mapping[str, int], wanted: set[str]) -> set[int]:
    """The ids of all tokens that merges go through on the way to the wanted ones."""
    ways: dict[str, list[tuple[str, str]]] = {}
    for a, b in merges:
        ways.setdefault(a + b, []).append((a, b))
    waiting, reached = list(wanted), set(wanted)
    while waiting:
        for pair in ways.get(waiting.pop(), ()):
            waiting += [part for part in pair if part not in reached]
            reached |= set(pair)
    return {ids[token] for token in reached if token in ids}


def _post_tokens(tree: Mapping[str, Any]) -> list[tuple[str, int]]:
    """The tokens that the post-processor adds, with their ids."""
    pairs: list[tuple[str, int]] = []

    def note(token: str, i: int) -> int:
        pairs.append((token, i))
        return i

    _walk_post(tree.get("post_processor"), note)
    return pairs


def _renumbered(tree: Mapping[str, Any], new: Mapping[int, int]) -> Any:
    return _walk_post(tree.get("post_processor"), lambda _, i: new[i])


def _walk_post(node: Any, number: Callable[[str, int], int]) -> Any:
    """Copy a post-processor, with another number for each token that it adds."""
    if not isinstance(node, Mapping):
        return node
    copied = dict(node)
    if node.get("type") == "Sequence":
        copied["processors"] = [_walk_post(each, number) for each in node["processors"]]
    if node.get("type") == "TemplateProcessing":
        copied["special_tokens"] = {
            name: {**one, "ids": [number(t, int(i)) for t, i in zip(one["tokens"], one["ids"], strict=True)]}
            for name, one in node["special_tokens"].items()
        }
    if node.get("type") in ("BertProcessing", "RobertaProcessing"):
        copied |= {part: [node[part][0], number(str(node[part][0]), int(node[part][1]))] for part in ("sep", "cls")}
    return copied
