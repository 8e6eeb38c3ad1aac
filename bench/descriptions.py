"""Measure the job describe_products with a language model: engines, whole job, estimates of a dry run, and precisions.

    python -m bench.descriptions engines --rounds 3    new tokens per second: OpenVINO (bf16, int8, fp32) against HF's
                                                       generate in batches of 32 sorted by length, and one at a time
    python -m bench.descriptions job --rows 4096       new tokens per second of the whole job, against its engine alone
    python -m bench.descriptions estimate --rows 400   the tokens and seconds that a dry run estimates, against those
                                                       that the run then needs
    python -m bench.descriptions perplexity            perplexity of copies in the table product_copy with fp32, bf16
                                                       and int8

All need a warehouse (--warehouse) with the model `product-copy` (or --model) and products. `engines` and `estimate`
draw products anew in every round, so that a cache of prompts does not make a later round look faster. `engines` runs in
one process with --threads threads.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import torch
from bench.side_by_side import benchmark, machine

from shopbatch.capabilities.copywriting.config import Config
from shopbatch.capabilities.copywriting.estimate import estimate
from shopbatch.capabilities.copywriting.prompt import SHOWN
from shopbatch.capabilities.copywriting.run import describe
from shopbatch.capabilities.copywriting.stage import Prompt
from shopbatch.core import config as conf
from shopbatch.core.config import Platform, read_text
from shopbatch.core.sessions import ray_session
from shopbatch.engines.configs import OpenVinoGenerateConfig, Sampling, TorchGenerateConfig
from shopbatch.engines.factory import open_generator
from shopbatch.models import registry
from shopbatch.runs.report import Report
from shopbatch.tables.products import PRODUCTS
from shopbatch.warehouse.store import Store

LONGEST = 200
MAX_ALONE = 512  # most products for each engine alone, to save time; its speed grows slightly with their number


def products(warehouse: str, rows: int, seed: int) -> list[dict[str, Any]]:
    """Return the attributes of `rows` distinct products of a warehouse, drawn with a seed."""
    frame = pl.read_delta(f"{warehouse}/products").select(list(SHOWN)).unique(maintain_order=True)
    return frame.sample(rows, seed=seed, shuffle=True).to_dicts()


def engines(folder: str, warehouse: str, arguments: argparse.Namespace) -> None:
    """Print the new tokens per second of each engine on the same products, and the ratios of OpenVINO to HF.

    HF with one prompt at a time gets only a quarter of the products, because it is slow.

    Args:
        folder: The model's folder.
        warehouse: The warehouse with products.
        arguments: The parsed command line.
    """
    torch.set_num_threads(arguments.threads)
    prompt, sampling = Prompt(read_text("conf/prompts/describe.en.md")), Sampling(max_new_tokens=LONGEST)
    kinds = {
        "HF generate, batches of 32": TorchGenerateConfig(batch=32),
        "HF generate, one at a time": TorchGenerateConfig(batch=1),
        **{
            f"OpenVINO {p}": OpenVinoGenerateConfig(precision=p, threads=arguments.threads)
            for p in ("bf16", "int8", "fp32")
        },
    }
    opened = {name: open_generator(kind, folder) for name, kind in kinds.items()}
    rates: dict[str, list[float]] = {name: [] for name in kinds}
    equal = total = 0
    for number in range(arguments.rounds + 1):  # the first round loads and compiles, and is not counted
        rows = products(warehouse, arguments.rows if number else 4, number)
        texts: dict[str, list[str]] = {}
        for name, generator in opened.items():
            some = rows[: max(4, len(rows) // 4)] if "one at a time" in name else rows  # it is slow
            prompts = [generator.render(prompt.messages(row)) for row in some]
            start = time.perf_counter()
            done = generator.generate(prompts, sampling)
            seconds = time.perf_counter() - start
            texts[name] = done.texts
            if number:
                rates[name].append(float(done.tokens_out.sum()) / seconds)
                mean = done.tokens_out.mean()
                print(f"round {number}: {name}: {rates[name][-1]:.0f} new tokens/s, {mean:.0f} per text", flush=True)
        if number:
            pairs = list(zip(texts["HF generate, batches of 32"], texts["OpenVINO fp32"], strict=True))
            equal, total = equal + sum(a == b for a, b in pairs), total + len(pairs)
    for base in list(kinds)[:2]:
        for name in list(kinds)[2:]:
            ratios = [a / b for a, b in zip(rates[name], rates[base], strict=True)]
            spread = f"median of {len(ratios)}, {min(ratios):.2f} to {max(ratios):.2f}"
            print(f"{name} / {base}: {statistics.median(ratios):.2f} ({spread})")
    print(f"texts of OpenVINO fp32 equal to HF's: {equal} of {total}")


def job(folder: str, warehouse: str, arguments: argparse.Namespace) -> None:
    """Compare the new tokens per second of the whole job with those of its engine alone on the same products.

    The engine alone runs in two processes, each with half of the products (at most MAX_ALONE). Prints per round the
    ratio for the job's compute stage (with the start of its workers) and for the whole job.

    Args:
        folder: The model's folder.
        warehouse: The warehouse with products.
        arguments: The parsed command line.
    """
    import ray

    root = tempfile.mkdtemp(prefix="bench-")
    shutil.copytree(f"{warehouse}/products", f"{root}/products")
    settings = conf.load(Config, "describe_products", "local", [
        f"platform.warehouse={root}", f"model={folder}", f"limit={arguments.rows}", "attempts=1", "compare=0",
        "gates.reject_share=1.0", "unmentioned=1.0", f"call_rows={arguments.call}",
    ])  # fmt: skip
    try:
        with ray_session(Platform(warehouse=root)):
            for number in range(arguments.rounds):
                store, report = Store(root), Report(job="describe_products")
                shutil.rmtree(f"{root}/describe_products_memo", ignore_errors=True)
                describe(settings, store, report)
                use, seconds = report.engine, report.stages["compute"].seconds
                assert use is not None
                kept = pl.read_delta(f"{root}/describe_products_memo").sort("hash_hi")["attributes"].to_list()
                halves = [kept[i::2][:MAX_ALONE] for i in range(2)]
                actor = ray.remote(num_cpus=0.9)(_Bare)
                bare = [actor.remote(folder, settings.call_rows) for _ in halves]
                ray.get([b.ready.remote() for b in bare])
                start = time.perf_counter()
                tokens = sum(ray.get([b.run.remote(h) for b, h in zip(bare, halves, strict=True)]))
                alone = tokens / (time.perf_counter() - start)
                for b in bare:
                    ray.kill(b)
                of_stage = use.tokens_out / seconds
                stages = {n: round(s.seconds, 1) for n, s in report.stages.items() if n != "figures"}
                whole = use.tokens_out / sum(stages.values())
                print(f"round {number}: alone {alone:.0f} new tokens/s; compute stage (with start) {of_stage:.0f}: "
                      f"{of_stage / alone:.3f}; whole job {whole / alone:.3f}; {stages}", flush=True)  # fmt: skip
    finally:
        shutil.rmtree(root, ignore_errors=True)


class _Bare:
    """A Ray actor that runs the engine alone, without the job around it."""

    def __init__(self, folder: str, call: int) -> None:
        self.generator, self.call = open_generator(OpenVinoGenerateConfig(), folder), call
        self.prompt = Prompt(read_text("conf/prompts/describe.en.md"))

    def ready(self) -> None:
        """Answer one prompt, so that the engine is loaded and warm."""
        self.run(['{"department": "GROCERY"}'])

    def run(self, rows: Sequence[str]) -> int:
        """Write copy for products (attributes as JSON), and return the number of new tokens."""
        from shopbatch.capabilities.copywriting.copy_format import SCHEMA

        prompts = [self.generator.render(self.prompt.messages(json.loads(row))) for row in rows]
        sampling = Sampling(max_new_tokens=LONGEST, guide=SCHEMA)
        done = [
            self.generator.generate(prompts[a : a + self.call], sampling) for a in range(0, len(prompts), self.call)
        ]
        return int(sum(d.tokens_out.sum() for d in done))


def estimates(folder: str, warehouse: str, arguments: argparse.Namespace) -> None:
    """Print how far the tokens and seconds that a dry run estimates are from those that the run needs.

    Every round takes other products. Dry run and run each start a new Ray session, so neither finds a loaded model.

    Args:
        folder: The model's folder.
        warehouse: The warehouse with products.
        arguments: The parsed command line.
    """
    for seed in range(arguments.rounds):
        root = tempfile.mkdtemp(prefix="bench-")
        try:
            store = Store(root)
            rows = Store(warehouse).snapshot(PRODUCTS.name).read()
            some = np.sort(np.random.default_rng(seed).choice(rows.num_rows, arguments.rows, replace=False))
            file = store.write_file(PRODUCTS, rows.take(pa.array(some)), "bench", 0)
            store.commit(PRODUCTS, [file], "replace", "bench")
            settings = conf.load(Config, "describe_products", "local", [
                f"platform.warehouse={root}", f"model={folder}", "compare=0", "gates.reject_share=1.0",
            ])  # fmt: skip
            with ray_session(Platform(warehouse=root)):
                estimated = estimate(settings, store)["en"]
            with ray_session(Platform(warehouse=root)):
                report = Report(job="describe_products")
                describe(settings, store, report)
            use = report.engine
            assert use is not None
            seconds = sum(s.seconds for n, s in report.stages.items() if n != "figures")
            for name, real in (("tokens_in", use.tokens_in), ("tokens_out", use.tokens_out), ("seconds", seconds)):
                guess = estimated[name]["estimate"]
                print(
                    f"round {seed}: {name}: estimated {guess:,.0f}, needed {real:,.0f}: {guess / real - 1:+.1%}",
                    flush=True,
                )
        finally:
            shutil.rmtree(root, ignore_errors=True)


def perplexity(folder: str, warehouse: str, arguments: argparse.Namespace) -> None:
    """Print the perplexity of the last copies of the table `product_copy` with fp32, bf16 and int8 weights.

    It is computed with the exported OpenVINO graphs with which the engine generates text.

    Args:
        folder: The model's folder.
        warehouse: The warehouse with the table `product_copy`.
        arguments: The parsed command line; `rows` copies (the last by copy_id) are used.
    """
    import openvino as ov

    from shopbatch.capabilities.language_model.examples import Encode
    from shopbatch.engines.generators.openvino_generator import exported_causal

    frame = pl.read_delta(f"{warehouse}/product_copy").sort("copy_id").tail(arguments.rows)
    encode = Encode(folder, read_text("conf/prompts/describe.en.md"), 1024)
    documents = [encode.document(a, c) for a, c in frame.select("attributes", "copy").iter_rows()]
    perplexities = {}
    for precision, hint in (("fp32", "f32"), ("bf16", "bf16"), ("int8", "bf16")):
        graph = exported_causal(Path(folder), precision)  # type: ignore[arg-type]
        options = {"INFERENCE_PRECISION_HINT": hint, "KV_CACHE_PRECISION": hint, "DYNAMIC_QUANTIZATION_GROUP_SIZE": 0}
        request = ov.Core().compile_model(graph / "openvino_model.xml", "CPU", options).create_infer_request()
        loss, tokens = 0.0, 0
        for document in documents:
            if document is None:
                continue
            ids = np.asarray(document.ids, np.int64)[None]
            request.reset_state()
            inputs = {
                "input_ids": ids,
                "attention_mask": np.ones_like(ids),
                "position_ids": np.arange(ids.shape[1])[None],
                "beam_idx": np.zeros(1, np.int32),
            }
            used = {k: v for k, v in inputs.items() if k in _names(request)}
            logits = torch.from_numpy(np.array(request.infer(used)["logits"]))
            losses = torch.nn.functional.cross_entropy(
                logits[0, :-1].float(), torch.from_numpy(ids[0, 1:]), reduction="none"
            )
            trained = torch.from_numpy(np.asarray(document.trained)[1:].astype(bool))
            loss, tokens = loss + float(losses[trained].sum()), tokens + int(trained.sum())
        perplexities[precision] = float(np.exp(loss / tokens))
        change = perplexities[precision] / perplexities["fp32"] - 1
        print(f"{precision}: perplexity {perplexities[precision]:.4f} of {tokens:,} tokens, {change:+.2%}", flush=True)


def _names(request: Any) -> set[str]:
    """Return the names of the inputs that a compiled OpenVINO model expects, such as "input_ids"."""
    return {n for port in request.model_inputs for n in port.names}


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the mode that the first argument names: engines, job, estimate or perplexity."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("engines", "job", "estimate", "perplexity"))
    parser.add_argument("--warehouse", default=".warehouse")
    parser.add_argument("--model", default="product-copy@live")
    parser.add_argument("--rows", type=int, default=96, help="products per round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2, help="engines: threads of the process")
    parser.add_argument("--call", type=int, default=128, help="job: prompts per call")
    arguments = parser.parse_args(argv)
    print(machine(), "torch", torch.__version__, flush=True)
    folder = registry.base(f"{arguments.warehouse}/_models", arguments.model).path
    ways = {"engines": engines, "job": job, "estimate": estimates, "perplexity": perplexity}
    ways[arguments.what](folder, arguments.warehouse, arguments)


if __name__ == "__main__":
    main()
