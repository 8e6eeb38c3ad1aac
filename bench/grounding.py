"""Evaluate the check that product copy claims only known facts (grounding), and the copy that the planner writes.

The planner writes copy from a product's facts by rules, without a language model.

    python -m bench.grounding [SET ...]    SET: first, second, held; all of them by default

For each set of tests/grounding/planted (false sentences and faithful texts about products) it prints the share of false
sentences that the whole check finds, the share that the list of claims alone finds, the kind of falsehood that is found
least, and the share of faithful texts that are refused.

Then it plans copy for the made-up products of the tests, and for 3,000 different products of the sample catalogue. It
prints how many of these texts are refused, how many have a description that another product has as well, distinct-4
(share of different sequences of four words), and the products per second of planning and of checking.
"""

import hashlib
import json
import sys
import time
from collections import Counter
from collections.abc import Sequence

from bench.side_by_side import benchmark
from tests.capabilities.copywriting.test_plan import catalogue
from tests.grounding.test_planted import products

from shopbatch.capabilities.copywriting.config import Rules
from shopbatch.capabilities.copywriting.copy_format import parse
from shopbatch.capabilities.copywriting.facts import CONTENT, known_facts
from shopbatch.capabilities.copywriting.plan import plan
from shopbatch.capabilities.copywriting.rules import Judge
from shopbatch.evaluation.distinct import distinct
from shopbatch.grounding.check import Facts, check, listed_claims
from shopbatch.sample.real import read
from shopbatch.sample.real_tables import tabulate

LANGUAGES = ("en", "zh")


def planted(name: str) -> None:
    """Print how many false sentences of a set the check finds, and how many faithful texts it refuses.

    Args:
        name: Language and set, such as "en_first".
    """
    said, both, listed = Counter(), Counter(), Counter()
    texts = refused = 0
    for facts, false, faithful in products(name):
        for kind, sentence in false:
            said[kind] += 1
            both[kind] += bool(check(facts, sentence, name[:2]))
            listed[kind] += bool(listed_claims(facts, sentence, name[:2]))
        texts += len(faithful)
        refused += sum(bool(check(facts, text, name[:2])) for text in faithful)
    worst = min(said, key=lambda kind: both[kind] / said[kind])
    found, alone = (sum(c.values()) / sum(said.values()) for c in (both, listed))
    print(
        f"{name}: {sum(said.values())} planted, found {found:.1%}, by the list alone {alone:.1%}, "
        f"worst {worst} {both[worst] / said[worst]:.0%}, faithful refused {refused / texts:.1%} of {texts}"
    )


def sampled(count: int = 3_000) -> list[dict[str, str | None]]:
    """Return the facts of up to `count` products of the sample catalogue, each a dict from attribute to value.

    Products with equal facts count once. The choice is fixed: the products whose facts have the lowest hashes.
    """
    products = tabulate(read(), None)["products"]
    every = known_facts(products.select(CONTENT))
    different = {json.dumps(facts, sort_keys=True, ensure_ascii=False): facts for facts in every}
    keys = sorted(different, key=lambda key: hashlib.sha256(key.encode()).digest())
    return [different[key] for key in keys[:count]]


def planned(language: str, known: list[dict[str, str | None]]) -> None:
    """Plan copy for products; print how many texts are refused, how many share a description, and the speed.

    The speed is the products per second, of planning and of checking.

    Args:
        language: Language of the copy, "en" or "zh".
        known: The facts of each product, by attribute.
    """
    judge = Judge(Rules(), language, "")
    for _ in range(2):  # the first round reads the word lists
        start = time.perf_counter()
        texts = [plan(facts, language) for facts in known]
        middle = time.perf_counter()
        refused = sum(judge(t, "stop", Facts(f)).reason is not None for f, t in zip(known, texts, strict=True))
        end = time.perf_counter()
    descriptions = [parse(text).description for text in texts]
    words = distinct(descriptions)
    alike = len(texts) - sum(number == 1 for number in Counter(descriptions).values())
    print(
        f"{language}: {len(texts)} planned, {refused} refused, {alike} share a description, distinct-4 {words:.2f}, "
        f"{len(texts) / (middle - start):.0f} planned and {len(texts) / (end - middle):.0f} judged a second"
    )


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Evaluate the grounding check on the named sets of planted sentences (or all sets), then the planned copy."""
    parts = argv or ("first", "second", "held")
    for one in LANGUAGES:
        for part in parts:
            planted(f"{one}_{part}")
        planned(one, catalogue(one))
    planned("en", sampled())


if __name__ == "__main__":
    main(sys.argv[1:])
