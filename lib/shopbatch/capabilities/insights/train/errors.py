"""How often the model calls a mention negative that is not, and misses one that is: measured on people's labels.

`train_aspects` writes these numbers of mentions into the model's manifest; `summarise_reviews` corrects its shares by
them where it has too few labels that the model has not seen.
"""

from __future__ import annotations

import numpy as np

from shopbatch.capabilities.insights.model import CUT
from shopbatch.capabilities.insights.train.examples import UNKNOWN
from shopbatch.capabilities.insights.train.fit_all import Fitted, first_groups, polarity_vectors
from shopbatch.tables.review_aspects import POLARITIES

_NEGATIVE = POLARITIES.index("negative")


def unseen_errors(fitted: Fitted) -> dict[str, dict[str, list[int]]]:
    """Count right and wrong mentions, each predicted by classifiers that did not learn from its sentence.

    A mention is a labelled sentence in which the model finds an aspect. It is negative if people labelled the aspect
    negative or mixed there. So a mention of an aspect that people do not see there is not negative.

    Args:
        fitted: The fitted model with its labelled sentences.

    Returns:
        {taxonomy: {aspect: four numbers of mentions}}, for aspects with a mention: those that are negative by label and
        prediction, by label only, by prediction only, and by neither.
    """
    first, errors = first_groups(fitted.labelled), {}
    for name, labelled in fitted.labelled.items():
        learnt, sentences = fitted.learnt[name], fitted.sentences[name]
        mentions = np.argwhere(learnt.held_out > CUT)
        logits = learnt.shift.apply(learnt.linear.logits(labelled.vectors), labelled.hits)
        vectors = polarity_vectors(labelled, logits, mentions)
        heads = [
            fitted.polarity.unseen.get(first[name] + group, fitted.polarity.head)
            for group in labelled.groups[mentions[:, 0]].tolist()
        ]
        found = np.array(
            [head.logits(row).argmax() == _NEGATIVE for head, row in zip(heads, vectors, strict=True)], bool
        )
        at = mentions[:, 0], mentions[:, 1]
        stated = labelled.truth[at] & np.isin(sentences.polarity[at], (_NEGATIVE, UNKNOWN))
        kind = 2 * (~stated) + ~found
        errors[name] = {
            aspect: np.bincount(kind[mentions[:, 1] == number], minlength=4).tolist()
            for number, aspect in enumerate(fitted.model.taxonomies[name].names)
            if (mentions[:, 1] == number).any()
        }
    return errors
