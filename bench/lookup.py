"""What guessing tokens from the prompt (`engine.lookup`) brings: the engine with it beside the same engine without.

What it brings depends on how far answers repeat their prompts. The prompt of describe_products lets a model that was
not trained with it repeat the product word by word; --chat asks for a description, which it then writes itself.

Run: python -m bench.lookup [--chat] [--precision fp32] [--guess 3] --rows 48 --longest 128
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from bench.generation import Prompts
from bench.side_by_side import Side, alternate, benchmark, parser, record

from shopbatch.engines.configs import OpenVinoGenerateConfig, Sampling
from shopbatch.engines.factory import open_generator
from shopbatch.models import registry


@benchmark
def main(argv: Sequence[str] | None = None) -> dict[str, Any]:
    """Measure, print and record."""
    made = parser(__doc__, rows=48)
    made.add_argument("--model", default="smollm2-135m", help="a folder, name@live of --warehouse, or smollm2-135m")
    made.add_argument("--warehouse", default="")
    made.add_argument("--longest", type=int, default=128, help="new tokens at most")
    made.add_argument("--precision", default="bf16", choices=["bf16", "fp32", "int8"])
    made.add_argument("--guess", type=int, default=3, help="tokens that are guessed at a time")
    made.add_argument("--chat", action="store_true", help="ask for a description in plain words")
    made.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    given = made.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix="bench-") as aside:
        folder = registry.base(f"{given.warehouse or aside}/_models", given.model).path
        return measure(Path(folder), given, argv)


def measure(folder: Path, given: Any, argv: Sequence[str] | None) -> dict[str, Any]:
    """Let both answer in turn."""
    without = OpenVinoGenerateConfig(precision=given.precision, threads=given.threads)
    configs = {"without": without, "lookup": without.model_copy(update={"lookup": given.guess})}
    generators = {name: open_generator(config, str(folder)) for name, config in configs.items()}
    prompts = Prompts(generators["lookup"].render, given.rows, given.rounds, given.chat)
    sampling, texts = Sampling(max_new_tokens=given.longest), dict[str, list[str]]()
    equal, tokens = list[float](), list[int]()

    def side(name: str) -> Side:
        def run() -> None:
            done = generators[name].generate(prompts.now(len(configs)), sampling)
            texts[name] = done.texts
            tokens.append(int(done.tokens_out.sum()))
            if len(tokens) % len(configs) == 0:
                equal.append(float(np.mean([a == b for a, b in zip(*texts.values(), strict=True)])))

        return Side(name, run, ours=name == "lookup")

    taken = alternate([side(name) for name in configs], given.rounds)
    more = {
        "agreement": {"equal texts": {"lookup": round(float(np.mean(equal)), 4)}},
        "not_run": {},
        "notes": {"new tokens a text": round(float(np.mean(tokens)) / given.rows, 1)},
    }
    return record("lookup", "texts", given.rows, taken, given.json, argv, **more)


if __name__ == "__main__":
    main()
