"""Evaluate the model of aspects: how accurately it finds the aspects of review sentences and their polarity.

An aspect is a topic such as "fit" or "service"; a sentence can have several, each with a polarity. Commands:

- semeval FILE: evaluates the method on the restaurant sentences of SemEval-2014 task 4 (Pontiki et al. 2014). FILE is
  the XML file of the training sentences. 800 sentences are held out to evaluate the aspects; the polarity is
  cross-fitted by sentence. Baselines: a lexicon, and logistic regression on TF-IDF.
- labels FOLDER: evaluates it on labelled sentences about clothing, hotels, computers and books. FOLDER is
  tests/capabilities/insights/planted. The model learns from the first half of each file together with the reviews of
  --warehouse, and is evaluated on the second half. The lexicons were written with a look at the first half.
- cross FOLDER: the same, but the model learns from all sentences and all are evaluated by cross-fitting, to see how
  much more labels improve it.
- cost: compares the CPU time per review of the jobs analyse_reviews and score_reviews (only the encoder and the
  classifiers, without reading and writing) on reviews of --warehouse. The classifiers' weights are arbitrary, which
  does not change their cost.

All intervals are 95 %, by bootstrap. Vectors are cached in --cache by a digest of their texts.

Run: OMP_NUM_THREADS=1 python -m bench.aspects semeval Restaurants_Train.xml
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pyarrow as pa
from bench.side_by_side import benchmark

from shopbatch.capabilities.insights.config import AspectFitConfig, TrainAspectsConfig
from shopbatch.capabilities.insights.model import CUT, AspectModel
from shopbatch.capabilities.insights.stage import AspectScorer
from shopbatch.capabilities.insights.taxonomy import Taxonomy, find
from shopbatch.capabilities.insights.train.examples import (
    SOURCE,
    Sentences,
    candidates,
    read_sentences,
    weak_clauses,
)
from shopbatch.capabilities.insights.train.fit import Labelled, Linear, Weak, fit_classes, folds_of
from shopbatch.capabilities.insights.train.fit_all import fit_all, labelled_clauses, polarity_vectors
from shopbatch.capabilities.insights.train.learn import learn, sentence_hits
from shopbatch.capabilities.insights.train.measure import Judged, f1, gain, macro_interval
from shopbatch.capabilities.sentiment.head import SentimentHead
from shopbatch.capabilities.sentiment.stage import SentimentScorer, SentimentStage
from shopbatch.engines.base import encode_all
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.evaluation.classification import Interval, interval_of, redraws
from shopbatch.models import e5_small, registry
from shopbatch.tables.review_aspects import ASPECT_LABELS, OTHER, POLARITIES
from shopbatch.warehouse.store import Store

SEED, HELD_OUT, FOLDS = 0, 800, 5
KINDS = {"en": ("clothing",), "zh": ("hotels", "electronics", "books")}
FIT = AspectFitConfig(l2=(0.003, 0.01, 0.03), label_weight=(1.0,), steps=80)
Encode = Callable[[Sequence[str]], np.ndarray]


def encoder(root: str, cache: Path) -> Encode:
    """Return a function that encodes texts into vectors, float32 [n, dim], and caches the vectors in a folder.

    Args:
        root: The warehouse, whose model registry has the encoder.
        cache: Folder of the cached vectors: one file for each list of texts, named by a digest of the list.
    """
    engine = None

    def encode(texts: Sequence[str]) -> np.ndarray:
        nonlocal engine
        file = cache / f"{hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:24]}.npy"
        if not file.exists():
            engine = engine or open_engine(
                OpenVinoConfig(), registry.base(f"{root}/_models", e5_small.ASPECTS_NAME).path
            )
            cache.mkdir(parents=True, exist_ok=True)
            np.save(file, encode_all(engine, pa.array(texts, pa.string())).vectors)
        return np.asarray(np.load(file))

    return encode


def show(name: str, interval: Interval) -> None:
    """Print a line with the name of a figure, its value and its 95 % interval."""
    print(f"  {name:44} {interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]")


def micro_f1(truth: np.ndarray, predicted: np.ndarray) -> Interval:
    """Return the micro-F1 of predicted labels, with a bootstrap interval over sentences."""
    right, both = (truth & predicted).sum(1).astype(float), (truth.sum(1) + predicted.sum(1)).astype(float)
    drawn = [2 * right[r].sum(1) / both[r].sum(1) for r in redraws(len(truth), SEED, 1000)]
    return interval_of(float(2 * right.sum() / both.sum()), np.concatenate(drawn))


def share(right: np.ndarray) -> Interval:
    """Return the share of True values in a boolean array, with its 95 % interval by bootstrap."""
    values = right.astype(float)
    return interval_of(
        float(values.mean()), np.concatenate([values[r].mean(1) for r in redraws(len(values), SEED, 1000)])
    )


def tf_idf(texts: Sequence[str], train: np.ndarray) -> np.ndarray:
    """Return TF-IDF vectors of texts, each of length 1, float32 [n, terms].

    Terms are words and pairs of words, and in Chinese text one to three characters. Only terms that at least two
    training texts contain are used, and the inverse document frequencies are those of the training texts.
    """
    documents = [Counter(_terms(text)) for text in texts]
    frequency = Counter(term for row in np.flatnonzero(train) for term in documents[row])
    kept = {term: i for i, term in enumerate(sorted(t for t, n in frequency.items() if n >= 2))}
    idf = np.array([math.log((1 + train.sum()) / (1 + frequency[t])) + 1 for t in kept])
    matrix = np.zeros((len(texts), len(kept)), np.float32)
    for row, document in enumerate(documents):
        for term, count in document.items():
            if term in kept:
                matrix[row, kept[term]] = (1 + math.log(count)) * idf[kept[term]]
    return np.asarray(matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-9))


def _terms(text: str) -> list[str]:
    """Return the terms of a text: ASCII words, pairs of neighbouring words, and runs of 1 to 3 Chinese characters."""
    lowered = text.lower()
    words = "".join(c if c.isalnum() and c.isascii() else " " for c in lowered).split()
    han = "".join(c if "\u4e00" <= c <= "\u9fff" else " " for c in lowered)
    grams = [han[i : i + k] for k in (1, 2, 3) for i in range(len(han) - k + 1)]
    return [*words, *map(" ".join, pairwise(words)), *(g for g in grams if " " not in g)]


def words_alone(texts: Sequence[str], truth: np.ndarray, train: np.ndarray) -> np.ndarray:
    """Return the logits of logistic regression on TF-IDF, the baseline without an encoder; float64 [n, aspects].

    The penalty is chosen by cross-validation on the training texts.
    """
    matrix = tf_idf(texts, train)
    plain = Labelled(
        matrix[train], np.arange(train.sum()), np.zeros_like(truth[train]), truth[train], np.arange(train.sum())
    )
    nothing = Weak(matrix[:0], truth[:0], np.empty(0))
    config = AspectFitConfig(l2=(0.00003, 0.0001, 0.0003, 0.001), label_weight=(1.0,), steps=60)
    learnt = learn(nothing, plain, config, SEED)
    return learnt.shift.apply(learnt.linear.logits(matrix), np.zeros_like(truth))


def one_at_least(logits: np.ndarray) -> np.ndarray:
    """Predict the aspects whose logit exceeds the threshold CUT; if none does, the aspect with the highest logit.

    `semeval` uses it, because SemEval gives every sentence at least one category.

    Args:
        logits: float [n, aspects].

    Returns:
        The predictions, bool [n, aspects].
    """
    predicted = logits > CUT
    none = ~predicted.any(axis=1)
    predicted[none, logits[none].argmax(axis=1)] = True
    return predicted


def semeval(file: str, encode: Encode) -> None:
    """Print the micro-F1 of the aspects on held-out sentences, then the cross-fitted accuracy of the polarity."""
    text = Path(__file__).with_name("aspects_restaurants.yaml")
    taxonomy = find(str(text))[1]
    sentences = _restaurants(file, taxonomy)
    order = np.random.default_rng(SEED).permutation(len(sentences.ids))
    train = np.ones(len(order), bool)
    train[order[:HELD_OUT]] = False
    labelled = labelled_clauses(taxonomy, sentences, encode, encode(["x"]).shape[1])
    nothing = Weak(labelled.vectors[:0], labelled.hits[:0], np.empty(0))
    learnt = learn(nothing, labelled.take(train), FIT, SEED)
    rest = labelled.take(~train)
    logits = rest.strongest(learnt.shift.apply(learnt.linear.logits(rest.vectors), rest.hits))
    hits = sentence_hits(rest).astype(float)
    print(f"categories, micro-F1 of {HELD_OUT} held-out sentences, {int(train.sum())} to learn from")
    show("lexicon", micro_f1(rest.truth, one_at_least(hits * 9 + np.array([-5] * 4 + [-4.0]))))
    words = words_alone(sentences.texts, sentences.truth, train)[~train]
    show("TF-IDF", micro_f1(rest.truth, one_at_least(words)))
    show("model", micro_f1(rest.truth, one_at_least(logits)))
    _restaurant_polarity(sentences, labelled)


def _restaurants(file: str, taxonomy: Taxonomy) -> Sentences:
    """Read the labelled sentences of the SemEval file; their categories become aspects."""
    rows = []
    for number, sentence in enumerate(ElementTree.parse(file).getroot()):
        for category in sentence.iter("aspectCategory"):
            polarity = category.get("polarity")
            rows.append(
                {
                    "sentence_id": f"{number:05d}",
                    "aspect": str(category.get("category")).partition("/")[0],
                    "text": sentence.findtext("text"),
                    "taxonomy": "restaurants",
                    "polarity": polarity if polarity in POLARITIES else None,
                }
            )
    return read_sentences(pa.Table.from_pylist(rows, ASPECT_LABELS.schema()), {"restaurants": taxonomy})["restaurants"]


def _restaurant_polarity(sentences: Sentences, labelled: Labelled) -> None:
    """Print how accurately the polarity of an aspect is predicted when it is known that the sentence has the aspect.

    The accuracy is cross-fitted, for two inputs of the classifier: the mean vector of all clauses of the sentence, and
    their mean weighted by how much each clause speaks of the aspect.
    """
    nothing = Weak(labelled.vectors[:0], labelled.hits[:0], np.empty(0))
    folds = folds_of(labelled.groups, FOLDS, SEED)
    pairs = np.argwhere(sentences.polarity >= 0)
    fold, truth = folds[pairs[:, 0]], sentences.polarity[pairs[:, 0], pairs[:, 1]]
    differ = np.asarray([len(set(p[p >= 0].tolist())) > 1 for p in sentences.polarity])[pairs[:, 0]]
    weights: dict[str, np.ndarray] = {}
    for number in range(FOLDS):
        learnt = learn(nothing, labelled.take(folds != number), replace_l2(0.01), SEED)
        logits = learnt.shift.apply(learnt.linear.logits(labelled.vectors), labelled.hits)
        for name, sharp in (("whole sentence", 0.0), ("clauses about it", 1.0)):
            vectors = polarity_vectors(labelled, logits * sharp, pairs)
            linear: Linear = fit_classes(
                vectors[fold != number], truth[fold != number], np.ones((fold != number).sum()), 3, (0.015, 80)
            )
            weights.setdefault(name, np.empty((len(pairs), 3)))[fold == number] = linear.logits(vectors[fold == number])
    sure = truth != POLARITIES.index("neutral")
    for name, logits in weights.items():
        print(f"polarity given the category, {name}, {len(pairs)} pairs, cross-fitted")
        show("three classes", share(logits.argmax(1) == truth))
        polar = np.where(logits[:, 2] > logits[:, 0], 2, 0) == truth
        show("negative or positive", share(polar[sure]))
        show(f"{int((differ & sure).sum())} pairs whose sentences differ, neg. or pos.", share(polar[differ & sure]))


def replace_l2(value: float) -> AspectFitConfig:
    """Return a copy of the settings FIT with `value` as the only L2 penalty to try, and with three folds."""
    return FIT.model_copy(update={"l2": (value,), "folds": 3})


def planted(folder: str, taxonomies: Mapping[str, Taxonomy]) -> tuple[dict[str, Sentences], dict[str, np.ndarray]]:
    """Read the labelled test sentences of the files `labels_en.jsonl` and `labels_zh.jsonl`.

    Returns:
        Two dicts by taxonomy: the sentences, and a mask [sentences] that is True for those in the first half of their
        file.
    """
    rows, first = [], set()
    for language in KINDS:
        listed = [json.loads(x) for x in Path(folder, f"labels_{language}.jsonl").read_text("utf-8").splitlines()]
        first |= {each["sentence_id"] for each in listed[: len(listed) // 2]}
        for each in listed:
            for aspect, polarity in (each["aspects"] or {OTHER: None}).items():
                same = {k: each[k] for k in ("sentence_id", "review_id", "text", "taxonomy")}
                rows.append({**same, "aspect": aspect, "polarity": polarity if polarity in POLARITIES else None})
    sentences = read_sentences(pa.Table.from_pylist(rows, ASPECT_LABELS.schema()), taxonomies)
    return sentences, {n: np.asarray([i in first for i in s.ids], bool) for n, s in sentences.items()}


def some(sentences: Sentences, rows: np.ndarray) -> Sentences:
    """Return the sentences that a mask selects, with the numbers of their groups (reviews) renumbered from 0."""
    chosen = np.flatnonzero(rows)
    groups = np.unique(sentences.groups[rows], return_inverse=True)[1].astype(np.int64)
    lists = [[each[i] for i in chosen] for each in (sentences.ids, sentences.texts)]
    return Sentences(*lists, sentences.truth[rows], sentences.polarity[rows], groups)


def labels(folder: str, root: str, encode: Encode, cross: bool) -> None:
    """Train on labelled sentences and reviews, and print macro-F1 by language on the second half of the sentences.

    Args:
        folder: Folder with the labelled sentences.
        root: The warehouse with reviews.
        encode: Encodes texts into vectors.
        cross: True to learn from all sentences and evaluate all of them by cross-fitting instead.
    """
    taxonomies = dict(find(name) for names in KINDS.values() for name in names)
    sentences, first = planted(folder, taxonomies)
    config = TrainAspectsConfig(engine=OpenVinoConfig(), taxonomies=tuple(taxonomies))
    snapshot = Store(root).snapshot("reviews")
    rows = (
        pl.DataFrame(candidates(snapshot.read(SOURCE), 0.4))
        .sort("order", "review_id")
        .unique("order", maintain_order=True)
    )
    clauses = weak_clauses(rows, taxonomies, 60_000)
    learn_from = sentences if cross else {n: some(s, first[n]) for n, s in sentences.items()}
    fitted = fit_all(config, taxonomies, clauses, learn_from, encode, "")
    judged, others = {}, {"lexicon": {}, "TF-IDF": {}}
    polar: dict[str, list[np.ndarray]] = {}
    for name, taxonomy in taxonomies.items():
        rest = sentences[name] if cross else some(sentences[name], ~first[name])
        own = labelled_clauses(taxonomy, rest, encode, fitted.model.dim)
        logits = fitted.model.aspect_logits(name, own.vectors, own.hits)
        strongest = fitted.learnt[name].held_out if cross else own.strongest(logits)
        judged[name] = Judged(taxonomy.names, own.truth, strongest > CUT, own.groups)
        others["lexicon"][name] = sentence_hits(own)
        if not cross:
            words = words_alone(sentences[name].texts, sentences[name].truth, first[name])
            others["TF-IDF"][name] = words[~first[name]] > CUT
            pairs = np.argwhere(rest.polarity >= 0)
            predicted = fitted.model.polarity_logits(polarity_vectors(own, logits, pairs)).argmax(1)
            language = next(key for key, names in KINDS.items() if name in names)
            polar.setdefault(language, []).append(np.stack([rest.polarity[pairs[:, 0], pairs[:, 1]], predicted]))
    for language, names in KINDS.items():
        part = {name: judged[name] for name in names}
        print(f"{language}: macro-F1 of {sum(len(j.truth) for j in part.values())} sentences, {', '.join(names)}")
        show_methods(part, {m: {n: p[n] for n in names} for m, p in others.items() if p})
        if language in polar:
            truth, predicted = np.concatenate(polar[language], axis=1)
            show(f"polarity of {len(truth)}", share(truth == predicted))
            sure = truth != 1
            show(f"of these {int(sure.sum())} that are not neutral", share(truth[sure] == predicted[sure]))


def show_methods(judged: Mapping[str, Judged], others: Mapping[str, Mapping[str, np.ndarray]]) -> None:
    """Print the macro-F1 of the model and of the baselines, the paired differences, and the F1 of each aspect."""
    for method, predicted in others.items():
        show(
            method,
            macro_interval({n: Judged(j.names, j.truth, predicted[n], j.groups) for n, j in judged.items()}, SEED),
        )
    show("model", macro_interval(judged, SEED))
    for method, predicted in others.items():
        show(f"model minus {method}", gain(judged, predicted, SEED))
    every = [f1(j.counts().sum(0))[j.truth.any(0)] for j in judged.values()]
    print(f"  {'model, all aspects that occur':44} {np.concatenate(every).mean():.3f}")
    for name, j in judged.items():
        print(
            "   ",
            name,
            {a: f"{v:.2f} ({int(n)})" for a, v, n in zip(j.names, f1(j.counts().sum(0)), j.truth.sum(0), strict=True)},
        )


def cost(root: str, reviews: int) -> None:
    """Print the CPU time that analyse_reviews and score_reviews take to score the same reviews, measured three times.

    Only the encoder and the classifiers are measured, without reading and writing.
    """
    models = f"{root}/_models"
    folders = {name: registry.base(models, name).path for name in (e5_small.NAME, e5_small.ASPECTS_NAME)}
    content = Store(root).snapshot("reviews").read(["title", "text"])
    names = tuple(name for kinds in KINDS.values() for name in kinds)
    sentiment = SentimentStage(OpenVinoConfig(), folders[e5_small.NAME], "", {})
    rows = np.random.default_rng(SEED).permutation(content.num_rows)[: 2 * reviews]
    content = content.take(pa.array(np.sort(rows))).combine_chunks()
    content = content.filter(sentiment.check(content).is_null()).slice(0, reviews)
    engines = {name: open_engine(OpenVinoConfig(), folder) for name, folder in folders.items()}
    one, other = engines[e5_small.NAME], engines[e5_small.ASPECTS_NAME]
    weights = (np.zeros((1, one.dim, 3), np.float32), np.zeros((1, 3), np.float32), np.ones(1, np.float32))
    scorers = {
        "score_reviews": SentimentScorer(one, SentimentHead(("en",), *weights)),
        "analyse_reviews": AspectScorer(other, AspectModel.fake(other.dim, names), names),
    }
    times: dict[str, list[float]] = {name: [] for name in scorers}
    for _ in range(3):
        for name, scorer in scorers.items():
            begin = time.process_time()
            for group in scorer.plan(content):
                scorer.run(content.take(pa.array(group)), np.ones(len(group), np.int8))
            times[name].append(time.process_time() - begin)
    for name, values in times.items():
        print(f"{name:16} {', '.join(f'{v:.1f}' for v in values)} s of process time for {content.num_rows:,} reviews")
    ratio = float(np.median(times["analyse_reviews"]) / np.median(times["score_reviews"]))
    print(f"analyse_reviews takes {ratio:.2f} times as long as score_reviews")


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the command that the first argument names: semeval, labels, cross or cost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("command", choices=("semeval", "labels", "cross", "cost"))
    parser.add_argument("path", nargs="?", default="")
    parser.add_argument("--warehouse", default=".warehouse")
    parser.add_argument("--reviews", type=int, default=1500)
    parser.add_argument("--cache", type=Path, default=Path(".bench-cache"))
    arguments = parser.parse_args(argv)
    encode = encoder(arguments.warehouse, arguments.cache)
    if arguments.command == "cost":
        cost(arguments.warehouse, arguments.reviews)
    elif arguments.command == "semeval":
        semeval(arguments.path, encode)
    else:
        labels(arguments.path, arguments.warehouse, encode, arguments.command == "cross")


if __name__ == "__main__":
    main()
