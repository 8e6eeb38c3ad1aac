"""A whole small job with vLLM on this machine's CPU: the same job as anywhere, another engine."""

import json
from pathlib import Path

import polars as pl

from shopbatch.cli import main as cli
from tests.capabilities.copywriting import writer
from tests.vllm.conftest import build


def test_a_small_job_runs_through(ray_local, store, tmp_path: Path, monkeypatch, capsys):
    """A model that has learnt nothing writes under guidance what no rule lets through: all of it is kept and judged."""
    folder = build(tmp_path / "model")
    (tmp_path / "p.en.md").write_text("Write.", "utf-8")
    writer.put(store, [writer.product(i) for i in range(4)])
    monkeypatch.setenv("SHOPBATCH_WAREHOUSE", store.root)
    engine = ("kind=vllm", "gpus=0", "dtype=float32", "cache_mb=16", "length=250")
    options = ["gates.reject_share=1.0", "unmentioned=1.0", "attempts=1", "workers=1", "sampling.max_new_tokens=40"]
    named = [f"model={folder}", f"prompts={tmp_path}/p.{{language}}.md", "compare=0"]
    code = cli.main(["run", "describe_products", *(f"engine.{e}" for e in engine), *options, *named])
    report = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (code, report["rows"]["computed"], report["rows"]["rejected"]) == (0, 4, 4)
    assert report["engine"]["kind"] == "vllm" and report["engine"]["tokens_out"] > 0
    kept = pl.read_delta(store.uri("describe_products_memo"))
    assert kept["text"].str.starts_with("{").all()
    again = cli.main(["run", "describe_products", *(f"engine.{e}" for e in engine), *options, *named])
    assert (again, json.loads(capsys.readouterr().out.splitlines()[-1])["rows"]["computed"]) == (0, 0)
