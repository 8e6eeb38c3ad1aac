"""What the checks of translations find of planted faults: `python -m bench.translation FILE [--without-encoder]`.

FILE is JSON, a list of {pair: "en-es", kind, source, good, faults: [{type, text}]}. Prints the share of faults found by
type and by pair with Wilson's interval of 95 %, and the share of good translations that are refused. `--show` prints
each miss and each false alarm with its reasons; `--without-encoder` leaves likeness out.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp

from shopbatch.capabilities.translation.checks.check import Fault, Pair, check
from shopbatch.capabilities.translation.checks.likeness import Comparer, Likeness
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.models import registry

ENCODER = "e5-small-search"


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """Return the interval of a share, with 95 %."""
    z, share = 1.96, hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * (share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5
    return middle - half, middle + half


def likenesses(pairs: list[tuple[str, str, tuple[str, str]]], root: str) -> list[Likeness]:
    model = registry.base(root, ENCODER)
    comparer = Comparer(open_engine(OpenVinoConfig(precision="fp32"), model.path), "query: ")
    return comparer.compare(pairs)


def line(name: str, hits: int, rows: int) -> None:
    low, high = wilson(hits, rows)
    print(f"{name:24} {hits:4d} of {rows:4d}  {hits / rows:6.1%}  [{low:.1%}, {high:.1%}]")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--without-encoder", action="store_true")
    parser.add_argument("--models", default="")
    options = parser.parse_args()
    rows = json.loads(options.file.read_text("utf-8"))
    texts = []
    for row in rows:
        pair = tuple(row["pair"].split("-"))
        texts.append((row, "", row["source"], row["good"], pair))
        texts += [(row, fault["type"], row["source"], fault["text"], pair) for fault in row["faults"]]
    started = time.perf_counter()
    alike: list[Likeness | None] = [None] * len(texts)
    if not options.without_encoder:
        alike = [*likenesses([t[2:] for t in texts], options.models or mkdtemp())]
    encoded = time.perf_counter()
    hits, all_rows, alarms, goods = Counter(), Counter(), Counter(), Counter()
    only: Counter[str] = Counter()
    for (row, kind, one, other, pair), like in zip(texts, alike, strict=True):
        faults: list[Fault] = check(Pair(one, other, pair, tuple(row.get("brands", ())), likeness=like))
        if kind:
            for name in (kind, f"pair {row['pair']}"):
                all_rows[name] += 1
                hits[name] += bool(faults)
        else:
            for name in ("", row["pair"]):
                goods[name] += 1
                alarms[name] += bool(faults)
        if faults and not kind:
            only.update({fault.kind for fault in faults})
        if options.show and bool(faults) != bool(kind):
            said = "; ".join(f"{f.kind} ({f.detail})" for f in faults)
            figures = f"{like.whole:.2f} {like.covered:.2f} {like.backed:.2f}" if like else ""
            print(f"{'MISS ' + kind if kind else 'ALARM ' + said}\n  {one}\n  {other}\n  {figures}")
    for name in sorted(all_rows):
        line(name, hits[name], all_rows[name])
    kinds = [name for name in all_rows if not name.startswith("pair ")]
    line("all faults", sum(hits[k] for k in kinds), sum(all_rows[k] for k in kinds))
    for name in sorted(goods):
        line(f"false alarms {name}", alarms[name], goods[name])
    print("kinds of false alarms:", dict(only))
    print(f"{len(texts)} texts: {encoded - started:.1f} s encoder, {time.perf_counter() - encoded:.1f} s rules")


if __name__ == "__main__":
    main()
