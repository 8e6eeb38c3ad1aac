"""Prunes a model's vocabulary: keeps only the tokens that a shop's texts need, in the tokenizer and in the embedding.

A text whose tokens are all kept is tokenised exactly as before, with each of the supported algorithms:

- unigram: the best split of the text stays the best one among fewer splits;
- WordPiece: the longest match stays the longest;
- BPE: all merges that lead to a kept token are kept.

Any other text is split into smaller tokens. Every single-character token is kept, so a character that the model knew
does not become unknown.
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

_MARKS = ("▁", "##", "Ġ", "</w>")  # mark the position in a word; not characters of the text
_COPIED = ("tokenizer_config.json", "special_tokens_map.json")
_IDS = ("bos_token_id", "eos_token_id", "pad_token_id", "unk_token_id", "cls_token_id", "sep_token_id", "mask_token_id")


def needed_ids(tree: Mapping[str, Any], seen: np.ndarray) -> np.ndarray:
    """Return the ids of the tokens to keep, int64, ascending.

    These are the tokens that occur in the texts, the tokens that BPE merges need to form them, all single characters,
    and all special tokens.

    Args:
        tree: The content of `tokenizer.json`.
        seen: Ids of the tokens that occur in the texts.

    Raises:
        ModelError: The tokenizer's algorithm is not one whose vocabulary can be pruned.
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
    """Write a smaller copy of an encoder: with fewer tokens, and without layers that its vectors do not use.

    Args:
        source: The encoder's folder.
        target: An empty folder for the copy.
        spec: The layers and poolings that make up the vectors.
        seen: Ids of the tokens that occur in the texts; None keeps the whole vocabulary.

    Returns:
        The number of tokens after pruning, and the number before.

    Raises:
        ModelError: The encoder has no `tokenizer.json`, or one whose vocabulary cannot be pruned.
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
    """Return the content of a `tokenizer.json` with only the given tokens, renumbered.

    Args:
        tree: The content of the original file.
        new: Old id -> new id of each token to keep.
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
    """Return True if a model folder has a `tokenizer.json`."""
    return (folder / "tokenizer.json").exists()


def _named(folder: Path, tree: Mapping[str, Any]) -> list[int]:
    """Return the ids of the tokens to which `tokenizer_config.json` gives a role, such as padding."""
    path = folder / "tokenizer_config.json"
    roles = json_files.read(path, str(path)) if path.exists() else {}
    names = [each.get("content") if isinstance(each, Mapping) else each for each in roles.values()]
    ids = dict(_vocabulary(tree))
    return [ids[name] for name in names if isinstance(name, str) and name in ids]


def _vocabulary(tree: Mapping[str, Any]) -> list[tuple[str, int]]:
    """Return all tokens with their ids, in the order of the tokenizer's own list; ModelError if it cannot be pruned."""
    model = tree["model"]
    kind = model.get("type")
    if kind == "Unigram":
        return [(str(piece), place) for place, (piece, _) in enumerate(model["vocab"])]
    if kind in ("WordPiece", "BPE"):
        return [(str(token), int(i)) for token, i in model["vocab"].items()]
    raise ModelError(f"a vocabulary of the kind {kind!r} cannot be cut; set vocabulary.prune=false")


def _bare(token: str) -> str:
    """Return a token without the marks of its position in a word ("##ing" -> "ing")."""
    for mark in _MARKS:
        token = token.removeprefix(mark).removesuffix(mark) if token != mark else token
    return token


def _special(tree: Mapping[str, Any]) -> set[str]:
    """Return the tokens that stand for no text: the unknown token, and those that the post-processor adds."""
    model = tree["model"]
    named = {str(model["unk_token"])} if model.get("unk_token") else set()
    if model.get("type") == "Unigram" and model.get("unk_id") is not None:
        named.add(str(model["vocab"][int(model["unk_id"])][0]))
    return named | {name for name, _ in _post_tokens(tree)}


def _merges(tree: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the BPE merges as pairs; older files store a pair as one text with a space."""
    pairs = [m.split(" ") if isinstance(m, str) else m for m in tree["model"].get("merges") or ()]
    return [(str(a), str(b)) for a, b in pairs]


def _parts(merges: Iterable[tuple[str, str]], ids: Mapping[str, int], wanted: set[str]) -> set[int]:
    """Return the ids of the wanted tokens and of all tokens that BPE merges pass through to form them.

    Args:
        merges: The merges as pairs.
        ids: Id of each token.
        wanted: The wanted tokens.
    """
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
    """Return the tokens that the post-processor adds, with their ids."""
    pairs: list[tuple[str, int]] = []

    def note(token: str, i: int) -> int:
        pairs.append((token, i))
        return i

    _walk_post(tree.get("post_processor"), note)
    return pairs


def _renumbered(tree: Mapping[str, Any], new: Mapping[int, int]) -> Any:
    """Return the post-processor of a `tokenizer.json` (`tree`) with new token ids; `new` maps old ids to new ones."""
    return _walk_post(tree.get("post_processor"), lambda _, i: new[i])


def _walk_post(node: Any, number: Callable[[str, int], int]) -> Any:
    """Copy a post-processor with a new id for each token that it adds.

    Args:
        node: The post-processor's part of `tokenizer.json`.
        number: Returns the new id for a token and its old id.
    """
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
