"""Run all measurements of speed and write them into one page: `make bench`, or python -m bench [QUESTION ...].

Each question (such as `sentiment` or `training`) is a command of a file of bench/. It runs in its own process and
writes bench/results/QUESTION.json. At the end the tables and the plot of docs/evidence/speed.md are written from these
files.

Options: --page only writes the page from the files that exist. --small takes the smallest sizes, to see that every
benchmark runs on this machine; it prints its figures and writes no file.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence

from bench import page
from bench.side_by_side import RESULTS

# question -> the module, the arguments of its command, and the arguments with --small
QUESTIONS: dict[str, tuple[str, list[str], list[str]]] = {
    "sentiment": ("sentiment", ["--rows", "1000"], ["--rows", "32", "--rounds", "1"]),
    "generation": ("generation", ["--rows", "48"], ["--rows", "2", "--rounds", "1", "--longest", "8"]),
    "training": ("training", ["hf", "--rows", "600"], ["hf", "--rows", "40", "--rounds", "1"]),
    "machinery": ("machinery", ["--pyarrow"], ["--rows", "5000", "--rounds", "1", "--pyarrow"]),
    "machinery_quick": ("machinery", ["--quick"], ["--quick", "--rows", "5000", "--rounds", "1"]),
    "machinery_5m": ("machinery", ["--quick", "--rows", "5000000"], ["--quick", "--rows", "9000", "--rounds", "1"]),
    "user_profiles": ("user_profiles", ["real", "--warm", "1", "--rounds", "3", "--no-pandas"],
                      ["real", "--rounds", "1", "--warm", "0", "--reviews", "500"]),
    "search_scale": ("search_scale", ["scale", "--products", "200000"],
                     ["scale", "--products", "2000", "--queries", "50"]),
    "recommendations": ("recommendations", ["topk", "--users", "4096"],
                        ["topk", "--users", "64", "--items", "2000"]),
    "start": ("start", ["--run"], ["--rows", "300", "--rounds", "1"]),
}  # fmt: skip


def main(argv: Sequence[str] | None = None) -> int:
    """Run the benchmarks of the questions one after the other, then write the page.

    Returns:
        The exit code: 0, or 2 if a benchmark failed or lacked a file, model or package that it needs.
    """
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", nargs="*", metavar="QUESTION", help=f"among {', '.join(QUESTIONS)}; all if none")
    parser.add_argument("--small", action="store_true", help="the smallest sizes; nothing is written")
    parser.add_argument("--page", action="store_true", help="write the page from the figures that are there")
    given = parser.parse_args(argv)
    if unknown := [name for name in given.questions if name not in QUESTIONS]:
        parser.error(f"there is no question {unknown[0]}; there are {', '.join(QUESTIONS)}")
    failed = []
    for name in () if given.page else given.questions or QUESTIONS:
        module, words, small = QUESTIONS[name]
        command = [sys.executable, "-m", f"bench.{module}", *(small if given.small else words)]
        if not given.small:
            command += ["--json", str(RESULTS / f"{name}.json")]
        print(f"\n== {' '.join(command[1:])}", flush=True)
        if subprocess.run(command, check=False).returncode:
            failed.append(name)
    if not given.small:
        print("\n" + page.write())
    print(f"not measured: {', '.join(failed)}" if failed else "")
    return 2 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
