"""Fits the whole aspect model, its classifiers of aspects, polarities and taxonomies, from the encoded examples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shopbatch.capabilities.insights.analysis import spoken_of
from shopbatch.capabilities.insights.clauses import split
from shopbatch.capabilities.insights.config import AspectFitConfig, TrainAspectsConfig
from shopbatch.capabilities.insights.model import AspectModel, softmax
from shopbatch.capabilities.insights.taxonomy import Taxonomy
from shopbatch.capabilities.insights.train.examples import UNKNOWN, Sentences, WeakClauses
from shopbatch.capabilities.insights.train.fit import Labelled, Linear, Weak, fit_classes, folds_of
from shopbatch.capabilities.insights.train.learn import FEW, Learnt, learn
from shopbatch.tables.review_aspects import POLARITIES

SILENT = 0.5  # weight of a clause without a lexicon word: it may be about an aspect all the same
Encode = Callable[[Sequence[str]], np.ndarray]


@dataclass(frozen=True)
class Polarity:
    """The classifier of polarity, and what is known of it from people's labels.

    Attributes:
        head: The classifier, which learnt from all labels.
        judged: The labelled polarity and the held-out prediction of each (sentence, aspect) with both, int64 [2, n].
        unseen: By the number of a group of sentences (see `first_groups`): a classifier that did not learn from it. A
            group without an entry has no labelled polarity, so `head` did not learn from it either.
    """

    head: Linear
    judged: np.ndarray
    unseen: Mapping[int, Linear]


@dataclass(frozen=True)
class Fitted:
    """The aspect model fitted to labels and lexicons, with the data that its judgement needs.

    Attributes:
        model: The model, ready to be published.
        learnt: The classifiers of each taxonomy, with held-out logits of the labelled sentences.
        labelled: The labelled sentences of each taxonomy.
        weak: The clauses of each taxonomy that its lexicon labelled.
        polarity: The classifiers of polarity.
        sentences: The labelled sentences of each taxonomy as they were read.
    """

    model: AspectModel
    learnt: Mapping[str, Learnt]
    labelled: Mapping[str, Labelled]
    weak: Mapping[str, Weak]
    polarity: Polarity
    sentences: Mapping[str, Sentences]


def fit_all(
    config: TrainAspectsConfig,
    taxonomies: Mapping[str, Taxonomy],
    clauses: WeakClauses,
    sentences: Mapping[str, Sentences],
    encode: Encode,
    reference: str,
) -> Fitted:
    """Encode the examples, and fit the classifiers of aspects, polarities and taxonomies.

    Args:
        config: Settings of `train_aspects`.
        taxonomies: The taxonomies by name.
        clauses: Review clauses with weak labels.
        sentences: Sentences that people labelled, by taxonomy.
        encode: Function that turns texts into vectors, float32 [n, dim].
        reference: Reference (name@digest) of the encoder, stored in the model; "" for the fake engine.
    """
    examples, seed = config.examples, config.examples.seed
    of_kind = {n: np.flatnonzero(clauses.kind == k)[: examples.clauses] for k, n in enumerate(taxonomies)}
    polar = np.flatnonzero(clauses.polarity != UNKNOWN)[: examples.polar_clauses]
    rows = np.unique(np.concatenate([*of_kind.values(), polar]))
    vectors = encode([clauses.texts[i] for i in rows])
    place = {row: i for i, row in enumerate(rows.tolist())}

    def vectors_of(chosen: np.ndarray) -> np.ndarray:
        return vectors[[place[row] for row in chosen.tolist()]]

    weak, labelled, learnt = {}, {}, {}
    for name, taxonomy in taxonomies.items():
        hits = taxonomy.hits([clauses.texts[i] for i in of_kind[name]])
        weak[name] = Weak(vectors_of(of_kind[name]), hits, np.where(hits.any(axis=1), 1.0, SILENT))
        labelled[name] = labelled_clauses(taxonomy, sentences[name], encode, vectors.shape[1])
        learnt[name] = learn(weak[name], labelled[name], config.fit, seed)
    people = _labelled_polarity(learnt, labelled, sentences)
    polarity = _polarity(vectors_of(polar), clauses.polarity[polar], people, config.fit, seed)
    kinds = _kinds(weak, vectors.shape[1], config.fit)
    model = AspectModel(taxonomies, _arrays(learnt, polarity.head, kinds), reference)
    return Fitted(model, learnt, labelled, weak, polarity, sentences)


def first_groups(labelled: Mapping[str, Labelled]) -> dict[str, int]:
    """Return by taxonomy what is added to its groups' numbers, so that no two taxonomies share a number."""
    sizes = [int(own.groups.max(initial=-1)) + 1 for own in labelled.values()]
    return dict(zip(labelled, np.cumsum([0, *sizes]).tolist(), strict=False))


def labelled_clauses(taxonomy: Taxonomy, sentences: Sentences, encode: Encode, dim: int) -> Labelled:
    """Split people's labelled sentences into clauses and encode them.

    Args:
        taxonomy: The taxonomy, whose lexicon is matched with the clauses.
        sentences: The sentences and their labels.
        encode: Function that turns texts into vectors.
        dim: Length of a vector; needed if there is no sentence.
    """
    parts = [[text[a:b] for a, b in split(text)] for text in sentences.texts]
    texts = [part for each in parts for part in each]
    vectors = encode(texts) if texts else np.empty((0, dim), np.float32)
    owner = np.repeat(np.arange(len(parts)), [len(each) for each in parts]).astype(np.int64)
    return Labelled(vectors, owner, taxonomy.hits(texts), sentences.truth, sentences.groups)


@dataclass(frozen=True)
class _Spoken:
    """Training rows of the polarity classifier: one per (sentence, aspect) pair with a polarity that people labelled.

    Attributes:
        vectors: Mean vector of the clauses about the aspect, float32 [n, dim].
        label: Index into POLARITIES, int64 [n].
        groups: Group number, int64 [n]; a group stays in one fold.
    """

    vectors: np.ndarray
    label: np.ndarray
    groups: np.ndarray


def _labelled_polarity(
    learnt: Mapping[str, Learnt], labelled: Mapping[str, Labelled], sentences: Mapping[str, Sentences]
) -> _Spoken:
    """Return one training row for each (sentence, aspect) pair whose polarity people labelled, over all taxonomies."""
    vectors, label, groups, first = [], [], [], first_groups(labelled)
    for name, own in labelled.items():
        how = learnt[name]
        pairs = np.argwhere(sentences[name].polarity != UNKNOWN)
        vectors.append(polarity_vectors(own, how.shift.apply(how.linear.logits(own.vectors), own.hits), pairs))
        label.append(sentences[name].polarity[pairs[:, 0], pairs[:, 1]])
        groups.append(first[name] + own.groups[pairs[:, 0]])
    return _Spoken(np.concatenate(vectors), np.concatenate(label), np.concatenate(groups))


def polarity_vectors(labelled: Labelled, logits: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Return one vector per (sentence, aspect) pair: the mean of the sentence's clauses, weighted as in `spoken_of`.

    Args:
        labelled: The sentences.
        logits: Aspect logits of their clauses, [clauses, aspects].
        pairs: Indices of sentence and aspect, int64 [n, 2].

    Returns:
        float32 [n, dim].
    """
    vectors = np.empty((len(pairs), labelled.vectors.shape[1]), np.float32)
    ends = np.searchsorted(labelled.owner, np.arange(len(labelled.truth) + 1))
    for row, (sentence, aspect) in enumerate(pairs.tolist()):
        clauses = slice(ends[sentence], ends[sentence + 1])
        vectors[row] = spoken_of(logits[clauses, aspect], labelled.vectors[clauses].astype(float))
    return vectors


def _polarity(vectors: np.ndarray, stated: np.ndarray, people: _Spoken, config: AspectFitConfig, seed: int) -> Polarity:
    """Fit the polarity classifier to clauses labelled by their reviews' stars and to people's labels.

    The classes of the star labels get equal total weight, however many clauses each has. With enough labels of people,
    the weight of a label and the L2 penalty are chosen by cross-validated log loss.

    Args:
        vectors: Vectors of the clauses with a star label, [n, dim].
        stated: Their polarity, index into POLARITIES, int64 [n].
        people: Training rows that people labelled.
        config: Hyperparameters to try.
        seed: Seed of the folds.

    Returns:
        The classifier, and the true and held-out predicted polarity of people's labels, int64 [2, pairs] ([2, 0] with
        too few labels).
    """
    sizes = np.bincount(stated, minlength=len(POLARITIES))
    weak = (len(stated) / (np.maximum(sizes, 1) * len(POLARITIES)))[stated]
    enough = len(people.label) >= FEW
    if not enough and not len(stated):
        zero = np.zeros((len(POLARITIES), vectors.shape[1]))
        return Polarity(Linear(zero, np.zeros(len(POLARITIES))), np.empty((2, 0), np.int64), {})

    def fitted(use: np.ndarray, weight: float, l2: float) -> Linear:
        both = np.concatenate([vectors, people.vectors[use]])
        label = np.concatenate([stated, people.label[use]])
        weights = np.concatenate([weak, np.full(int(use.sum()), weight)])
        return fit_classes(both, label, weights, len(POLARITIES), (l2, config.steps))

    nobody = np.zeros(len(people.label), bool)
    if not enough:
        return Polarity(fitted(nobody, 0.0, max(config.l2)), np.empty((2, 0), np.int64), {})
    folds, tried = folds_of(people.groups, config.folds, seed), []
    for weight in config.polarity_weight:
        for l2 in config.l2:
            logits = np.empty((len(people.label), len(POLARITIES)))
            heads = {fold: fitted(folds != fold, weight, l2) for fold in np.unique(folds).tolist()}
            for fold, head in heads.items():
                logits[folds == fold] = head.logits(people.vectors[folds == fold])
            true = softmax(logits)[np.arange(len(logits)), people.label]
            tried.append((float(-np.log(np.maximum(true, 1e-12)).mean()), weight, l2, logits.argmax(axis=1), heads))
    _, weight, l2, predicted, heads = min(tried, key=lambda each: each[:3])
    unseen = {group: heads[fold] for group, fold in zip(people.groups.tolist(), folds.tolist(), strict=True)}
    return Polarity(fitted(~nobody, weight, l2), np.stack([people.label, predicted]), unseen)


def _kinds(weak: Mapping[str, Weak], dim: int, config: AspectFitConfig) -> Linear:
    """Fit the classifier that predicts the taxonomy of a clause; every taxonomy gets the same total weight."""
    sizes = np.asarray([len(w.vectors) for w in weak.values()])
    if len(weak) == 1 or not sizes.all():
        return Linear(np.zeros((len(weak), dim)), np.where(sizes > 0, 0.0, -100.0))
    label = np.repeat(np.arange(len(weak)), sizes).astype(np.int64)
    vectors = np.concatenate([w.vectors for w in weak.values()])
    return fit_classes(vectors, label, 1 / sizes[label], len(weak), (max(config.l2), config.steps))


def _arrays(learnt: Mapping[str, Learnt], polarity: Linear, kinds: Linear) -> dict[str, np.ndarray]:
    """Return the arrays of `AspectModel`, float32, from the fitted classifiers."""
    weights, bias, bonuses = (np.concatenate(x) for x in zip(*(each.arrays() for each in learnt.values()), strict=True))
    arrays = {
        "aspects": weights,
        "aspects_bias": bias,
        "lexicon": bonuses,
        "polarity": polarity.weights,
        "polarity_bias": polarity.bias,
        "kinds": kinds.weights,
        "kinds_bias": kinds.bias,
    }
    return {name: np.ascontiguousarray(value, np.float32) for name, value in arrays.items()}
