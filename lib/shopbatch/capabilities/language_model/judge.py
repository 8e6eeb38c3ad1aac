"""Judge the trained model (candidate) against the base, the live model and a trigram model on held-out examples."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from shopbatch.capabilities.language_model import evaluate
from shopbatch.capabilities.language_model.config import FinetuneLlmConfig
from shopbatch.capabilities.language_model.evaluate import Answers, Losses
from shopbatch.capabilities.language_model.examples import Encode
from shopbatch.core.errors import UserError
from shopbatch.engines.generators.prompts import Prompts
from shopbatch.evaluation.paired import difference
from shopbatch.evaluation.trigram import Trigram
from shopbatch.models.folder import local
from shopbatch.models.loading import model_config
from shopbatch.models.registry import Model
from shopbatch.training.blocks import Pack
from shopbatch.warehouse.gates import Gate, explain

CANDIDATE = "candidate"


@dataclass(frozen=True)
class Judged:
    """The results of one model on the held-out examples.

    Attributes:
        losses: Its losses.
        answers: Its answers to some of the prompts; None if it was asked none.
    """

    losses: Losses
    answers: Answers | None


def judge(config: FinetuneLlmConfig, model: Model, encode: Encode, test: pa.Table, asked: pa.Table) -> Judged:
    """Compute a model's losses on all held-out examples, and its answers to some of them.

    Args:
        config: Settings of the job.
        model: The model to judge.
        encode: Its system instruction and block size are used, but with the tokenizer of `model`.
        test: All held-out examples.
        asked: The held-out examples that the model answers; no answers are written if it has no rows.
    """
    own_encode = Encode(model.path, encode.system, encode.block_tokens)
    threads = (config.workers.threads or 1) * config.workers.count
    losses = evaluate.losses(own_encode, test, threads, config.workers.device)
    if not asked.num_rows:
        return Judged(losses, None)
    return Judged(losses, evaluate.answers(own_encode, asked, config.engine, config.sampling))


def examples_to_ask(config: FinetuneLlmConfig, encode: Encode, test: pa.Table) -> pa.Table:
    """Return the first `config.answers` held-out examples whose prompt leaves room for an answer in the context.

    The result has no rows if the texts have no prompts or `config.answers` is 0.
    """
    if not (config.answers and config.source.prompt):
        return test.slice(0, 0)
    room = Prompts(local(encode.model)).limit - config.sampling.max_new_tokens
    able = [d is not None and int((~d.trained).sum()) <= room for d in encode(test)]
    return test.filter(pa.array(able)).slice(0, config.answers)


def quality(judged: Mapping[str, Judged], test: pa.Table, seed: int) -> dict[str, Any]:
    """Return the quality of each model for the report and the manifest: {model: numbers by name}.

    - For "all" texts and for each language: the loss (nats) and the perplexity, per token.
    - "facts": the share of the numbers in the shop's answers that the model's answers repeat, with its 95 % interval.
    - "fall against ...", only for the candidate: the other model's loss per document minus the candidate's, with its 95
      % interval.

    Args:
        judged: Results of each model, by name; one of them is the candidate.
        test: All held-out examples.
        seed: Seed of the bootstrap.
    """
    group = np.asarray(test["group"].to_pylist())
    numbers: dict[str, Any] = {}
    for name, one in judged.items():
        numbers[name] = {}
        for g in ["all", *sorted(set(group.tolist()))]:
            rows = np.ones(len(one.losses.rows), bool) if g == "all" else group[one.losses.rows] == g
            if not rows.any():  # no document of the language fits into a block of this model
                continue
            loss = float(one.losses.nats[rows].sum() / one.losses.tokens[rows].sum())
            numbers[name][g] = {
                "documents": int(rows.sum()),
                "loss": round(loss, 5),
                "perplexity": round(float(np.exp(loss)), 4),
            }
        if one.answers is not None:
            facts = one.answers.facts[~np.isnan(one.answers.facts)]
            numbers[name]["facts"] = difference(facts, np.zeros(len(facts)), seed).tree()
    for other in [n for n in judged if n != CANDIDATE]:
        candidate, rival, rows = _paired(judged[CANDIDATE].losses, judged[other].losses)
        if not len(rows):
            continue
        numbers[CANDIDATE][f"fall against {other}"] = difference(rival, candidate, seed).tree()
    return numbers


def gates(config: FinetuneLlmConfig, judged: Mapping[str, Judged], test: pa.Table, other: str) -> list[Gate]:
    """Return two gates that the candidate must pass against another model: a lower loss, and no language much worse.

    The first takes the lower end of the 95 % interval of the fall in loss, which must be above `gates.loss`. The second
    refuses a candidate whose loss in any language rises by more than `gates.worse`. Both limits are shares of the other
    model's loss.

    Args:
        config: Settings of the job, with the limits.
        judged: Results of each model, by name.
        test: All held-out examples.
        other: Name of the other model, "base" or "live".

    Raises:
        UserError: No test document fits into a block of both models.
    """
    candidate, rival, rows = _paired(judged[CANDIDATE].losses, judged[other].losses)
    if not len(rows):
        raise UserError(
            f"no test document fits into a block of the trained model and of {other}, so that they cannot be compared: "
            "use longer blocks (loop.block_tokens), or shorter texts"
        )
    fall = difference(rival, candidate, config.loop.seed)
    least = config.gates.loss * float(rival.mean())
    group = np.asarray(test["group"].to_pylist())[rows]
    falls = [float(1 - candidate[group == g].sum() / rival[group == g].sum()) for g in sorted(set(group.tolist()))]
    worst = min(falls)
    better, even, limit = fall.low > least, worst >= -config.gates.worse, config.gates.worse
    what = (
        f"held-out loss fell by {fall.low:.4f} nats per document at the lower end of its 95 % interval, not by more "
        f"than {least:.4f} (gates.loss={config.gates.loss:g} of the loss of {other})"
    )
    why = f"the trained model is not certainly better than {other}"
    do = "train longer (loop.epochs), on more rows, or with another loop.schedule.peak"
    language = f"in one language held-out loss rose by {-worst:.2%} of that of {other}, more than gates.worse={limit:g}"
    language_why = "texts of that language would become worse"
    language_do = f"add texts of that language, or set gates.worse={0.001 - worst:.3f}"
    note, share = "nats per document; the 95 % interval must lie above the limit", "share of the other's loss"
    return [
        Gate(f"fall of held-out loss against {other}, lower end", round(fall.low, 4), round(least, 4), better,
             explain(better, what, why, do, note)),
        Gate(f"fall of held-out loss against {other}, worst language", round(worst, 5), -limit, even,
             explain(even, language, language_why, language_do, share)),
    ]  # fmt: skip


def against_trigram(pack: Pack, encode: Encode, test: pa.Table, losses: Losses) -> tuple[float, Gate]:
    """Compare the candidate with a trigram model of the training tokens, the baseline of a model trained from scratch.

    Args:
        pack: The training blocks.
        encode: Encodes examples as documents for the candidate.
        test: All held-out examples.
        losses: Losses of the candidate on these examples.

    Returns:
        The trigram model's perplexity per token, and the gate that the candidate's must be lower.
    """
    train = pack.read("train")
    documents = train.documents(range(len(train)))
    trigram = Trigram([d.ids.tolist() for d in documents], int(model_config(local(encode.model))["vocab_size"]))
    # only trained tokens count: the language model does not predict the first token of a text without a prompt
    nats = np.concatenate([trigram.losses(d.ids.tolist())[d.trained] for d in encode(test) if d is not None])
    perplexity, limit = float(np.exp(losses.nats.sum() / losses.tokens.sum())), float(np.exp(nats.mean()))
    passed = perplexity < limit
    what = f"perplexity is {perplexity:.2f}, not below the {limit:.2f} of a trigram model of the training texts"
    why, do = "counting words would do as well", "train longer (loop.epochs), or choose another base"
    detail = explain(passed, what, why, do)
    return limit, Gate("perplexity against a trigram model", round(perplexity, 4), round(limit, 4), passed, detail)


def _paired(first: Losses, second: Losses) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the losses of two models on the examples that both could encode, so that they can be compared one by one.

    Returns:
        Nats of the first model, nats of the second model, and row numbers of the examples, [n] each.
    """
    rows, a, b = np.intersect1d(first.rows, second.rows, return_indices=True)
    return first.nats[a], second.nats[b], rows
