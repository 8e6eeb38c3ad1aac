"""Decide whether the recommender gets a sequence and a text part: each must help on the validation days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from shopbatch.capabilities.recommendations.cold import TextVectors
from shopbatch.capabilities.recommendations.fit import known_items
from shopbatch.capabilities.recommendations.history import History
from shopbatch.capabilities.recommendations.recommender import Recommender, own_spread, with_text
from shopbatch.capabilities.recommendations.sequence_part import SequencePart, spread
from shopbatch.capabilities.recommendations.text_part import TextPart, few_of_each, numbered
from shopbatch.capabilities.recommendations.train import texts
from shopbatch.capabilities.recommendations.train.config import TrainRecommenderConfig
from shopbatch.capabilities.recommendations.train.sequence import SequenceTraining, Trained
from shopbatch.capabilities.recommendations.train.shop import Shop
from shopbatch.evaluation.classification import Interval
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.ranking import ItemSets, judge, restricted

SHARES = (0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)  # weights of the sequence part to compare; counting has 1 - weight
WEIGHTS = (0.05, 0.1, 0.2, 0.4, 0.8)  # weights of the text part to compare
PLACES = 10  # places that NDCG looks at
_MOST = 1000  # greatest number of users (evenly spaced ones) by whom a choice is judged
_LEAST = 20  # least number of users by whom a part is judged
_CELLS = 2_000_000  # greatest users x items of a matrix of scores


@dataclass(frozen=True)
class Verdict:
    """The decision whether a part is used in a list, with the reason. It appears in the report.

    Attributes:
        part: Name of the part, "sequence" or "text".
        list: Name of the list, "discover" or "buy_again".
        weight: Weight of the part's scores in the list; 0: not used.
        gain: Gain of NDCG@10 on the validation days, with its 95 % interval; None if it was not measured.
        why: The reason in words.
    """

    part: str
    list: str
    weight: float
    gain: Interval | None
    why: str


@dataclass(frozen=True)
class Added:
    """The sequence and text parts that are used, to be added to a recommender of counting parts (habit, neighbours).

    Attributes:
        trained: The trained sequence part with its weight in each list; its `part` is None if it is not used.
        vectors: Vectors of the products' distinct texts; None if the text part is not used.
        text_weight: Weight of the text part; see `TextPart.weight`.
        verdicts: The decision for each part and list, with its reason.
    """

    trained: Trained
    vectors: TextVectors | None = None
    text_weight: float = 0.0
    verdicts: tuple[Verdict, ...] = field(default=())

    @property
    def weights(self) -> dict[str, float]:
        """{"<part> in <list>": weight}, such as "sequence in discover"; the weight is 0 for a part that is not used."""
        return {f"{v.part} in {v.list}": v.weight for v in self.verdicts}

    def onto(self, recommender: Recommender, shop: Shop, history: History, least_users: int) -> Recommender:
        """Return a copy of `recommender` with the kept parts added.

        Args:
            recommender: A recommender with only counting parts (habit, neighbours).
            shop: The shop, whose texts the text part uses.
            history: The purchases that `recommender` was fitted to; they tell which products have too few buyers.
            least_users: Number of buyers below which a product is recommended by its text.
        """
        text = None
        if self.vectors is not None:
            text = text_part(self.vectors, shop, history, least_users, self.text_weight)
        return replace(recommender, sequence=self.trained.part, text=text)


def cold_items(shop: Shop, history: History, least_users: int) -> np.ndarray:
    """Return the cold products: those with a text and fewer than `least_users` buyers, ascending, int64 [n]."""
    has_text = np.array([text is not None for text in shop.texts], bool)
    return np.flatnonzero(has_text & ~known_items(history, least_users))


def text_part(vectors: TextVectors, shop: Shop, history: History, least_users: int, weight: float = 1.0) -> TextPart:
    """Return a text part that recommends the products with too few buyers in `history`.

    Args:
        vectors: Vectors of the shop's distinct texts, in the order of `text_part.numbered`.
        shop: The purchases and products of this run, with the products' texts.
        history: The purchases from which buyers are counted.
        least_users: A product with fewer buyers is recommended by its text.
        weight: See `TextPart.weight`.
    """
    text = numbered(shop.texts)[1]
    buyers = np.bincount(history.owned().items, minlength=history.items)
    return TextPart(vectors, text, few_of_each(cold_items(shop, history, least_users), text, buyers), weight)


def choose(training: SequenceTraining, shop: Shop, counting: Recommender, early: History, window: History) -> Added:
    """Train a sequence and a text part on the days before the validation window; keep those that improve a list in it.

    Args:
        training: Trains the sequence part.
        shop: The purchases and products of this run.
        counting: A recommender of counting parts (habit, neighbours) fitted to `early`, which the new parts must
            improve.
        early: The purchases before the validation window.
        window: The purchases in the validation window.

    Returns:
        The parts that are used, with their weights and the reasons.
    """
    config = training.config
    least = config.items.min_users
    known = known_items(early, least)
    until = shop.history.between(int(shop.history.day.min()), int(window.day.max(initial=early.day.max())) + 1)
    trained = training.first(early, until, known)
    with training.report.stage("parts"):
        kept, verdicts = _sequence(trained, counting, early, window, config)
        with_sequence = replace(counting, sequence=kept.part)
        vectors, weight, verdict = _text(with_sequence, shop, early, window, training)
    return Added(kept, vectors, weight, (*verdicts, verdict))


def refit(training: SequenceTraining, added: Added, whole: History) -> Added:
    """Return the kept parts with the sequence part trained again on all days, if there is one.

    Args:
        training: Trains the sequence part.
        added: The result of `choose`.
        whole: All purchases.
    """
    part = added.trained.part
    if part is None:
        return added
    known = known_items(whole, training.config.items.min_users)
    new = replace(training.again(added.trained, whole, known), discover=part.discover, again=part.again)
    return replace(added, trained=replace(added.trained, part=new))


def _sequence(
    trained: Trained, counting: Recommender, early: History, window: History, config: TrainRecommenderConfig
) -> tuple[Trained, list[Verdict]]:
    """Choose the weight of the sequence part in each list; drop the part if both weights are 0.

    Args:
        trained: The trained sequence part, or the reason why there is none.
        counting: The recommender that the part must improve.
        early: The purchases before the validation window.
        window: The purchases in the validation window.
        config: Settings of the job.

    Returns:
        A copy of `trained` whose part has these weights (None if dropped), and the verdict for each list.
    """
    part = trained.part
    if part is None:
        return trained, [Verdict("sequence", name, 0.0, None, trained.why) for name in ("discover", "buy_again")]
    seed, always = config.loop.seed, config.sequence.enabled == "on"
    verdicts = [
        _verdict("sequence", "discover", _new_by_share(counting, part, early, window), seed, always),
        _verdict("sequence", "buy_again", _again_by_share(counting, part, early, window), seed, always),
    ]
    discover, again = (verdict.weight for verdict in verdicts)
    kept = replace(part, discover=discover, again=again) if discover or again else None
    return replace(trained, part=kept), verdicts


def _verdict(part: str, name: str, by_weight: Mapping[float, np.ndarray], seed: int, always: bool) -> Verdict:
    """Choose a part's best weight in a list, and decide whether the list uses the part.

    It does if the lower end of the 95 % interval of the part's gain of NDCG@10 is above 0; if `always` is True, a mean
    gain above 0 is enough. With fewer than 20 users to judge by, the part is never used.

    Args:
        part: Name of the part.
        name: Name of the list.
        by_weight: {weight of the part: NDCG@10 of each user}; the weight 0 is always one of them.
        seed: Seed of the bootstrap.
        always: True if the settings demand the part (`sequence.enabled=on`).
    """
    base = by_weight[0.0]
    if len(base) < _LEAST:
        return Verdict(part, name, 0.0, None, f"{len(base)} users to judge it by, fewer than {_LEAST}")
    weight = max(by_weight, key=lambda w: (float(by_weight[w].mean()), -w))
    weight = weight or max((w for w in by_weight if w), key=lambda w: float(by_weight[w].mean()))
    gain = difference(by_weight[weight], base, seed)
    kept = gain.low > 0 or (always and gain.value > 0)
    why = "gains for certain" if gain.low > 0 else "must be kept, and gains" if kept else "does not gain for certain"
    return Verdict(part, name, weight if kept else 0.0, gain, why)


def _tiles(users: np.ndarray, items: int) -> list[np.ndarray]:
    """Return evenly spaced users in batches, small enough that a matrix of a batch x `items` fits into memory.

    Args:
        users: User numbers; of more than 1000, every second, third, ... one is taken.
        items: Number of items.
    """
    users = users[:: -(-len(users) // _MOST) or 1]
    step = max(1, _CELLS // max(1, items))
    return [users[a : a + step] for a in range(0, len(users), step)]


def _ndcg(scores: np.ndarray, wanted: ItemSets) -> np.ndarray:
    return judge(scores, wanted, (PLACES,))[0].ndcg


def _new_by_share(
    counting: Recommender, part: SequencePart, early: History, window: History
) -> dict[float, np.ndarray]:
    """Return {weight of the sequence part: NDCG@10 of each user for new products, float64 [users]}."""
    owned = early.owned()
    wanted = window.owned().without(owned)
    gains: dict[float, list[np.ndarray]] = {share: [] for share in (0.0, *SHARES)}
    for tile in _tiles(np.flatnonzero(wanted.sizes), early.items):
        before = early.of_users(tile)
        near = counting.discover.neighbours.score(before)
        counted = near.dense(early.items) + counting.discover.base
        counted /= spread(near, counting.discover.base)[:, None]
        learnt = part.dense(part.users(before), early.items)
        for share, gain in gains.items():
            ranked = restricted((1 - share) * counted + share * learnt, owned.of_users(tile), "new")
            gain.append(_ndcg(ranked, wanted.of_users(tile)))
    return {share: np.concatenate([np.zeros(0), *gain]) for share, gain in gains.items()}


def _again_by_share(
    counting: Recommender, part: SequencePart, early: History, window: History
) -> dict[float, np.ndarray]:
    """Return {weight of the sequence part: NDCG@10 of each user for products bought again, float64 [users]}."""
    wanted = window.owned().within(early.owned())
    gains: dict[float, list[np.ndarray]] = {share: [] for share in (0.0, *SHARES)}
    for tile in _tiles(np.flatnonzero(wanted.sizes), early.items):
        before = early.of_users(tile)
        own = counting.habit.score(before)
        counted = own.score / own_spread(own.user, own.score, len(tile))
        learnt = part.scores(part.users(before), own.user, own.item)
        for share, gain in gains.items():
            ranked = np.full((len(tile), early.items), -np.inf)
            ranked[own.user, own.item] = (1 - share) * counted + share * learnt
            gain.append(_ndcg(ranked, wanted.of_users(tile)))
    return {share: np.concatenate([np.zeros(0), *gain]) for share, gain in gains.items()}


def _text(
    recommender: Recommender, shop: Shop, early: History, window: History, training: SequenceTraining
) -> tuple[TextVectors | None, float, Verdict]:
    """Choose how texts become vectors (tf-idf or an encoder), and the text part's weight in the list `discover`.

    The text part is used only if it ranks the cold products (those with too few buyers) better than their numbers of
    buyers do: the lower end of the 95 % interval of the difference of NDCG@10 must be above 0.

    Returns:
        The vectors (None if the part is not used), the weight (then 0), and the verdict.
    """
    config = training.config
    if config.text.encoder == "off":
        return None, 0.0, Verdict("text", "discover", 0.0, None, "text.encoder=off")
    cold = cold_items(shop, early, config.items.min_users)
    owned = early.owned()
    of_cold = window.where(np.isin(window.item, cold)).owned().without(owned)
    buyers = np.flatnonzero(of_cold.sizes)
    if len(buyers) < _LEAST:
        why = f"{len(buyers)} users bought new products with too few buyers and a text, fewer than {_LEAST}"
        return None, 0.0, Verdict("text", "discover", 0.0, None, why)
    distinct, _ = numbered(shop.texts)
    ways = texts.ways_of(config.text, f"{training.store.root}/_models", distinct)
    by_text = {name: text_part(vectors, shop, early, config.items.min_users) for name, vectors in ways.items()}
    base = np.bincount(early.owned().items, minlength=early.items).astype(float)
    by_way: dict[str, list[np.ndarray]] = {name: [] for name in ("counts", *ways)}
    for tile in _tiles(buyers, early.items):
        before, wanted = early.of_users(tile), of_cold.of_users(tile)
        among = np.full((len(tile), early.items), -np.inf)
        among[:, cold] = base[cold]
        by_way["counts"].append(_ndcg(restricted(among, owned.of_users(tile), "new"), wanted))
        for name in ways:
            among[:] = -np.inf
            scored = by_text[name].score(before, 2 * PLACES)
            among[scored.user, scored.item] = scored.score
            by_way[name].append(_ndcg(restricted(among, owned.of_users(tile), "new"), wanted))
    worth = {name: np.concatenate(parts) for name, parts in by_way.items()}
    way = max(ways, key=lambda name: float(worth[name].mean()))
    gain = difference(worth[way], worth["counts"], config.loop.seed)
    if gain.low <= 0:
        why = f"{way} among products with too few buyers does not gain over counting these for certain"
        return None, 0.0, Verdict("text", "discover", 0.0, gain, why)
    weight = _text_weight(recommender, by_text[way], early, window)
    why = f"{way} among products with too few buyers gains over counting these for certain"
    return ways[way], weight, Verdict("text", "discover", weight, gain, why)


def _text_weight(recommender: Recommender, part: TextPart, early: History, window: History) -> float:
    """Return the weight in WEIGHTS with which the list of new products has the highest NDCG@10."""
    wanted = window.owned().without(early.owned())
    total = dict.fromkeys(WEIGHTS, 0.0)
    for tile in _tiles(np.flatnonzero(wanted.sizes), early.items):
        before = early.of_users(tile)
        others, scored = recommender.to_discover(before, 2 * PLACES), part.score(before, 2 * PLACES)
        for weight in WEIGHTS:
            mixed = with_text(before, others, scored, weight, 2 * PLACES)
            total[weight] += float(_ndcg(mixed.dense(early.items), wanted.of_users(tile)).sum())
    return max(WEIGHTS, key=lambda weight: total[weight])
