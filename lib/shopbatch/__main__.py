"""`python -m shopbatch` is the `shopbatch` command."""

from shopbatch.cli.main import main

if __name__ == "__main__":
    raise SystemExit(main())
