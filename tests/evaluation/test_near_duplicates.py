"""Near-duplicates of training texts are found whatever they look like on the surface; other texts are not."""

import random

from shopbatch.evaluation.near_duplicates import near_duplicates, shingles

TEXT = "dress fits well colour size order parcel late refund happy soft warm light blue return shop"
WORDS = TEXT.split()


def sentences(count: int, seed: int) -> list[str]:
    draw = random.Random(seed)
    return [" ".join(draw.choices(WORDS, k=30)) for _ in range(count)]


def test_exact_agreement_with_brute_force_far_from_the_threshold() -> None:
    known = sentences(80, 1)
    draw = random.Random(2)
    asked = []
    for text in known[:30]:
        words = text.split()
        for _ in range(draw.choice([0, 1, 20])):
            words[draw.randrange(len(words))] = draw.choice(WORDS)
        asked.append(" ".join(words))
    found = near_duplicates(known, asked)
    for text, duplicate in zip(asked, found, strict=True):
        sets = [set(shingles(k)) for k in known]
        best = max(len(s & set(shingles(text))) / len(s | set(shingles(text))) for s in sets)
        if best > 0.92:
            assert duplicate, text
        if best < 0.65:
            assert not duplicate, text


def test_numbers_case_and_spaces_do_not_tell_texts_apart() -> None:
    known = [
        "Where is my order 12345? It has been two weeks and nothing came.",
        "我的订单12345到哪里了？已经两个星期了",
    ]
    asked = [
        "where is my  order 9 ? It has been two weeks and nothing came.",
        "我的订单8到哪里了？已经两个星期了",
        "好看",
    ]
    assert near_duplicates(known, asked).tolist() == [True, True, False]


def test_nothing_is_like_nothing() -> None:
    assert near_duplicates([], ["a"]).tolist() == [False]
    assert near_duplicates(["a"], []).tolist() == []
