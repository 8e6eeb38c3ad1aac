"""Entry point of `python -m shopbatch`, which is the same as the command `shopbatch`."""

from shopbatch.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
