"""Evaluate the checks of translations: how many planted faults they find, and how many good translations they refuse.

    python -m bench.translation FILE [--without-encoder]
    python -m bench.translation --apertium 300
    python -m bench.translation --locale FOLDER

FILE is JSON, a list of {pair: "en-es", kind, source, good, faults: [{type, text}]}. Prints the share of faults found by
type and by pair with Wilson's 95 % interval, and the share of good translations that are refused. `--show` prints each
missed fault and each false alarm with its reasons. `--without-encoder` leaves out the check of likeness, which compares
meanings by an encoder.

--apertium N translates N English texts of the tests' catalogue into Spanish with the program Apertium, as the jobs that
translate do. Prints how many translations keep their numbers, how many pass all checks, and the speed.

--locale FOLDER checks translations that people made: the messages of installed programs (FOLDER/es/LC_MESSAGES/*.mo,
also de, fr, zh_CN). They are regarded as good. Prints how many of them the checks refuse without an encoder.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Sequence
from gettext import GNUTranslations
from pathlib import Path
from tempfile import mkdtemp

import numpy as np
import pyarrow as pa
from bench.side_by_side import benchmark
from tests.capabilities.copywriting.test_plan import catalogue

from shopbatch.capabilities.copywriting.copy_format import parse
from shopbatch.capabilities.copywriting.plan import plan
from shopbatch.capabilities.translation.checks.check import Fault, Pair, check
from shopbatch.capabilities.translation.checks.likeness import Comparer, Likeness
from shopbatch.capabilities.translation.stage import TranslationStage
from shopbatch.engines.configs import OpenVinoConfig
from shopbatch.engines.factory import open_engine
from shopbatch.engines.translator_configs import ApertiumConfig
from shopbatch.models import registry

ENCODER = "e5-small-search"
LEAST_WORDS = 3  # --locale uses only texts with more words


def wilson(hits: int, rows: int) -> tuple[float, float]:
    """Return the ends of the 95 % Wilson interval of the share `hits / rows`."""
    z, share = 1.96, hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z / (1 + z * z / rows) * (share * (1 - share) / rows + z * z / (4 * rows * rows)) ** 0.5
    return middle - half, middle + half


def likenesses(pairs: list[tuple[str, str, tuple[str, str]]], root: str) -> list[Likeness]:
    """Return how alike each source text and its translation are, by the vectors of the search encoder.

    Args:
        pairs: Source text, translation, and their two language codes.
        root: Folder of the model registry.
    """
    model = registry.base(root, ENCODER)
    comparer = Comparer(open_engine(OpenVinoConfig(precision="fp32"), model.path), "query: ")
    return comparer.compare(pairs)


def line(name: str, hits: int, rows: int) -> None:
    """Print a line with a name and the share `hits / rows` with its 95 % interval."""
    low, high = wilson(hits, rows)
    print(f"{name:24} {hits:4d} of {rows:4d}  {hits / rows:6.1%}  [{low:.1%}, {high:.1%}]")


def texts_of_catalogue(most: int) -> list[str]:
    """Return up to `most` different English texts: headlines, descriptions and bullets of planned product copy."""
    texts: list[str] = []
    for facts in catalogue("en"):
        copy = parse(plan(facts, "en"))
        texts += [copy.headline, copy.description, *copy.bullets]
    return [*dict.fromkeys(texts)][:: max(1, len(set(texts)) // most)][:most]


def by_locale(folder: Path, show: bool) -> None:
    """Check the translated messages of installed programs, and print by language how many are refused and why.

    People made these translations, so each refusal counts as a false alarm. Only messages of more than LEAST_WORDS
    words, without a context or a plural, are used.

    Args:
        folder: Folder with the languages' folders.
        show: Print each refused translation with its reasons.
    """
    for code in ("es", "de", "fr", "zh_CN"):
        texts: dict[str, str] = {}
        for path in sorted(folder.glob(f"{code}/LC_MESSAGES/*.mo")):
            with path.open("rb") as opened:
                for one, other in GNUTranslations(opened)._catalog.items():  # type: ignore[attr-defined]
                    if isinstance(one, str) and "\x04" not in one and one != other and len(one.split()) > LEAST_WORDS:
                        texts[one.strip()] = other.strip()
        kinds: Counter[str] = Counter()
        refused = 0
        for one, other in texts.items():
            faults = check(Pair(one, other, ("en", code[:2])))
            refused += bool(faults)
            kinds.update({fault.kind for fault in faults})
            if show and faults:
                print(one, other, "; ".join(f"{f.kind} ({f.detail})" for f in faults), sep="\n  ")
        if texts:
            line(f"refused en-{code[:2]}", refused, len(texts))
            print("  ", dict(kinds.most_common()))


def by_apertium(most: int, show: bool, engine: ApertiumConfig) -> None:
    """Translate texts of the catalogue with Apertium in two attempts, and print how many translations pass the checks.

    Args:
        most: The most texts.
        show: Print each text that fails in the second attempt.
        engine: Settings of Apertium.
    """
    texts = texts_of_catalogue(most)
    stage = TranslationStage(engine=engine, target="es", pairs={"en": ""})
    none = pa.nulls(len(texts), pa.string())
    columns = {"text": texts, "source_language": ["en"] * len(texts)}
    content = pa.table(columns | {"brands": pa.nulls(len(texts), pa.list_(pa.string())), "glossary": none})
    scorer, began = stage.open(), time.perf_counter()
    reasons: Counter[str] = Counter()
    kept = units = passed = 0
    left = content
    for attempt in (1, 2):
        parts = [
            scorer.run(left.take(pa.array(rows)), np.full(len(rows), attempt, np.int8)) for rows in scorer.plan(left)
        ]
        raw = pa.concat_tables(parts).drop_columns(["tokens"]).to_pylist()
        faults = [[fault.kind for fault in stage.faults(row)] for row in raw]
        if attempt == 1:
            kept, units = (sum(kind not in kinds for kinds in faults) for kind in ("number", "unit"))
            seconds = time.perf_counter() - began
        passed += sum(not kinds for kinds in faults)
        again = [n for n, kinds in enumerate(faults) if kinds]
        if attempt == 2:
            reasons.update(kind for kinds in faults for kind in dict.fromkeys(kinds))
        if show:
            for n in again if attempt == 2 else ():
                print(faults[n], left["text"][n], "->", raw[n]["translation"], sep="\n  ")
        left = left.take(pa.array(again))
    words = sum(len(text.split()) for text in texts)
    print(f"apertium: {len(texts)} texts, {words} words, {seconds:.1f} s the first attempt with its checks")
    line("numbers kept", kept, len(texts))
    line("units kept", units, len(texts))
    line("published", passed, len(texts))
    print("why not:", dict(reasons.most_common()))


@benchmark
def main(argv: Sequence[str] | None = None) -> None:
    """Run the evaluations that the command line asks for: of Apertium, of programs' messages, of planted faults."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", default="apertium")
    parser.add_argument("--data", default="/usr/share/apertium")
    parser.add_argument("file", type=Path, nargs="?")
    parser.add_argument("--apertium", type=int, default=0, metavar="TEXTS")
    parser.add_argument("--locale", type=Path, metavar="FOLDER")
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--without-encoder", action="store_true")
    parser.add_argument("--models", default="")
    options = parser.parse_args(argv)
    if options.apertium:
        by_apertium(options.apertium, options.show, ApertiumConfig(program=options.program, data=options.data))
    if options.locale:
        by_locale(options.locale, options.show)
    if options.file is None:
        return
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
