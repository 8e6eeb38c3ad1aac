"""Compare the speed of text generation: this project's engine against Hugging Face's `generate`, and vLLM if installed.

All competitors answer the same prompts by greedy decoding with the same weights on all cores. Every round has prompts
of other products, so that no cache of prompts makes a later round look faster. The competitors:

- HF batches of 32: `generate` as its documentation shows, padded on the left, fp32;
- HF sorted, bf16: the same, with prompts sorted by length and weights in bf16;
- vLLM: in its own environment (--vllm is the path of its Python; `make test-vllm` makes it), fp32 and bf16;
- OpenVINO fp32, bf16 and int8: this project's engine.

Run: python -m bench.generation --rows 64 --json bench/results/generation.json
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bench.bound import bound, causal_gflop
from bench.side_by_side import Missing, Side, alternate, benchmark, parser, record, spread

from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.capabilities.copywriting.stage import Prompt
from shopbatch.core.config import read_text
from shopbatch.engines.configs import OpenVinoGenerateConfig, Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.models import registry
from shopbatch.models.loading import load_causal, load_transformers_tokenizer
from shopbatch.sample.shop import Shop, products

BATCH = 32
# the process of vLLM: reads a JSON line of prompts from standard input, prints the number of new tokens
_VLLM = """
import json, sys
from vllm import LLM, SamplingParams
model = LLM(sys.argv[1], dtype=sys.argv[2], max_model_len=int(sys.argv[4]), disable_log_stats=True)
print("ready", flush=True)
for line in sys.stdin:
    done = model.generate(json.loads(line), SamplingParams(temperature=0, max_tokens=int(sys.argv[3])), use_tqdm=False)
    print("tokens", sum(len(d.outputs[0].token_ids) for d in done), flush=True)
"""


class Prompts:
    """The prompts of all rounds: each asks for a description of a generated product, another one in every round."""

    def __init__(self, render: Callable[[Any], str], rows: int, rounds: int) -> None:
        shop = Shop(100, rows * (rounds + 2), 4, seed=3)
        known = products(shop, 0, shop.products).select(list(SHOWN)).to_pylist()
        prompt = Prompt(read_text("conf/prompts/describe.en.md"))
        self.rendered = [render(prompt.messages(row)) for row in known]
        self.rows, self.round, self.turns = rows, 0, 0

    def now(self, sides: int) -> list[str]:
        """Return the prompts of the current round, and go on to the next round after every `sides` calls.

        Each competitor calls this once per round, so all of them get the same prompts.

        Args:
            sides: Number of competitors.
        """
        number = self.turns // sides
        self.turns += 1
        return self.rendered[number * self.rows : (number + 1) * self.rows]


class Answered:
    """The output of one competitor for the prompts of a round.

    Attributes:
        tokens: Number of new tokens of all answers.
        texts: The answers in the order of the prompts; empty if the competitor does not return them (vLLM).
        lengths: Tokens of each prompt and of each answer, [2, n]; None if unknown.
    """

    def __init__(self, tokens: int, texts: list[str], lengths: np.ndarray | None = None) -> None:
        self.tokens, self.texts, self.lengths = tokens, texts, lengths


def hugging_face(folder: Path, dtype: str, by_length: bool, longest: int) -> Callable[[list[str]], Answered]:
    """Return a function that answers prompts with Hugging Face's `generate`.

    Args:
        folder: The model's folder.
        dtype: Number format of the weights, such as "bfloat16".
        by_length: Sort the prompts by length before they are batched.
        longest: The most new tokens of an answer.
    """
    model = load_causal(folder, dtype).eval()
    tokenizer = load_transformers_tokenizer(folder)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token

    def run(prompts: list[str]) -> Answered:
        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i])) if by_length else list(range(len(prompts)))
        texts, tokens = [""] * len(prompts), 0
        for start in range(0, len(order), BATCH):
            some = order[start : start + BATCH]
            inputs = tokenizer([prompts[i] for i in some], return_tensors="pt", padding=True, add_special_tokens=False)
            kept = {n: inputs[n] for n in ("input_ids", "attention_mask")}
            with torch.inference_mode():
                out = model.generate(
                    **kept,
                    max_new_tokens=longest,
                    do_sample=False,
                    repetition_penalty=1.0,
                    pad_token_id=tokenizer.pad_token_id,
                )
            new = out[:, kept["input_ids"].shape[1] :]
            ends = new == model.config.eos_token_id
            tokens += int((torch.where(ends.any(1), ends.int().argmax(1) + 1, new.shape[1])).sum())
            for i, text in zip(some, tokenizer.batch_decode(new, skip_special_tokens=True), strict=True):
                texts[i] = text
        return Answered(tokens, texts)

    return run


def vllm(python: Path, folder: Path, dtype: str, longest: int, limit: int) -> Callable[[list[str]], Answered]:
    """Start vLLM in its own environment, and return a function that answers prompts with it.

    Its process is a child of this one, so its CPU time is counted.

    Args:
        python: The Python of the environment that has vLLM.
        folder: The model's folder.
        dtype: Number format of the weights, such as "bfloat16".
        longest: The most new tokens of an answer.
        limit: The most tokens of prompt and answer together.

    Raises:
        Missing: The process of vLLM ended.
    """
    command = [str(python), "-c", _VLLM, str(folder), dtype, str(longest), str(limit)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None and process.stdout is not None
    talk, listen = process.stdin, process.stdout

    def wait_for(word: str) -> str:
        for line in listen:
            if line.startswith(word):
                return line
        raise Missing(f"vLLM ended with exit code {process.wait()}")

    wait_for("ready")

    def run(prompts: list[str]) -> Answered:
        talk.write(json.dumps(prompts) + "\n")
        talk.flush()
        return Answered(int(wait_for("tokens").split()[1]), [])

    return run


@benchmark
def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Load the model, measure all competitors, and return the figures that --json writes into a file."""
    made = parser(__doc__, rows=64)
    made.add_argument("--model", default="smollm2-135m", help="a folder, name@live of --warehouse, or smollm2-135m")
    made.add_argument("--warehouse", default="")
    made.add_argument("--longest", type=int, default=64, help="new tokens at most")
    made.add_argument("--precisions", nargs="+", default=["bf16", "fp32", "int8"])
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    made.add_argument("--vllm", type=Path, default=Path(".venv-vllm/bin/python"), help="the Python that has vLLM")
    made.add_argument("--size", type=int, default=2048, help="of the matrices of the bound")
    given = made.parse_args(argv)
    torch.set_num_threads(given.threads)
    with tempfile.TemporaryDirectory(prefix="bench-") as aside:
        return measure(Path(registry.base(f"{given.warehouse or aside}/_models", given.model).path), given, argv)


def measure(folder: Path, given: Any, argv: Sequence[str] | None) -> dict[str, Any]:
    """Let all competitors answer in turn, print the comparison, and return the figures that --json writes to a file."""
    configs = {p: OpenVinoGenerateConfig(precision=p, threads=given.threads) for p in given.precisions}
    opened = {f"OpenVINO {p}": open_generator(config, str(folder)) for p, config in configs.items()}
    sampling = Sampling(max_new_tokens=given.longest)
    ways: dict[str, tuple[bool, Callable[[list[str]], Answered]]] = {
        "HF batches of 32": (False, hugging_face(folder, "float32", False, given.longest)),
        "HF sorted, bf16": (False, hugging_face(folder, "bfloat16", True, given.longest)),
    }
    not_run = {}
    if given.vllm.exists():
        limit = 1024
        for dtype in ("float32", "bfloat16"):
            ways[f"vLLM {dtype}"] = (False, vllm(given.vllm, folder, dtype, given.longest, limit))
    else:
        not_run["vLLM"] = f"no environment {given.vllm} (make test-vllm)"

    def ours(generator: Any) -> Callable[[list[str]], Answered]:
        def run(prompts: list[str]) -> Answered:
            done = generator.generate(prompts, sampling)
            return Answered(int(done.tokens_out.sum()), done.texts, np.stack([done.tokens_in, done.tokens_out]))

        return run

    ways |= {name: (True, ours(generator)) for name, generator in opened.items()}
    prompts = Prompts(next(iter(opened.values())).render, given.rows, given.rounds)
    tokens: dict[str, list[int]] = {name: [] for name in ways}

    def side(name: str, own: bool, answer: Callable[[list[str]], Answered]) -> Side:
        def run() -> Answered:
            answered = answer(prompts.now(len(ways)))
            tokens[name].append(answered.tokens)
            return answered

        return Side(name, run, own)

    taken = alternate([side(name, *way) for name, way in ways.items()], given.rounds)
    base = taken["HF batches of 32"].returned.texts
    equal = {
        n: round(float(np.mean([a == b for a, b in zip(t.returned.texts, base, strict=True)])), 3)
        for n, t in taken.items()
        if t.returned.texts
    }
    speeds = {
        n: spread([k / s for k, s in zip(tokens[n][-given.rounds :], t.wall, strict=True)], 1) for n, t in taken.items()
    }
    lengths = next(t.returned.lengths for t in taken.values() if t.ours)
    model = load_causal(folder)
    weights = sum(p.numel() for n, p in model.named_parameters() if p.ndim > 1 and "embed" not in n)
    size = model.config
    weights += size.vocab_size * size.hidden_size
    gflop = causal_gflop(weights, size.hidden_size, size.num_hidden_layers, *lengths)
    peak = bound(given.threads, given.size)
    more = {
        "agreement": {"with": "HF batches of 32", "equal texts": equal},
        "bound": peak | {"least_seconds": {k: round(gflop / peak[k], 3) for k in ("fp32", "bf16")}},
        "not_run": not_run,
        "notes": {"new tokens per second": speeds, "new tokens": {n: t[-given.rounds :] for n, t in tokens.items()}},
    }
    return record("generation", "texts", given.rows, taken, given.json, argv, **more)


if __name__ == "__main__":
    main()
