# `make run` and `make test` each work as the first command on a machine that has Python 3.11, pip, make and a C compiler.
.DEFAULT_GOAL := help
.PHONY: help install run test test-fast test-vllm test-airflow lint bench chaos docs lock clean

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# A worker that dies ends the run: pytest-xdist 3.8 hands out the work of a dead one badly, and then waits for ever.
PYTEST = $(BIN)/python -m pytest -n $(or $(JOBS),2) --dist loadfile --no-loadscope-reorder --max-worker-restart=0
STAMP := .venv/installed
VLLM := .venv-vllm
AIRFLOW := .venv-airflow
export RAY_USAGE_STATS_ENABLED := 0
export HF_HUB_DISABLE_TELEMETRY := 1
# jobs and tests start many processes: without compiled files each of them compiles the whole package again
unexport PYTHONDONTWRITEBYTECODE

help:  ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

# torch first and by itself: then pip takes the build that fits this machine; all else exactly as locked
$(STAMP): requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info[:2] in ((3, 11), (3, 12)) else "shopbatch needs Python 3.11 or 3.12: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q $$(grep '^torch==' requirements.lock)
	$(BIN)/python -m pip install -q --no-deps -r requirements.lock
	$(BIN)/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

install: $(STAMP)  ## make .venv and install everything, exactly as locked

run: $(STAMP)  ## sample data -> model -> published sentiment of reviews; ROWS=3000 is the two-minute version
	$(BIN)/shopbatch sample $(if $(ROWS),--rows $(ROWS))
	$(BIN)/shopbatch run train_sentiment_head
	$(BIN)/shopbatch run score_reviews

# a file's tests share what they train and the sessions of their worker; the long files come early in the alphabet
test: $(STAMP)  ## the whole test suite, with mypy --strict and ruff, by two workers (JOBS=1: one after the other)
	$(PYTEST)

test-fast: $(STAMP)  ## the tests that need neither Ray nor Spark nor training
	$(PYTEST) -m "not ray and not spark and not slow"

# vLLM asks for other versions than requirements.lock has; about 5 GB
$(VLLM)/installed: infra/vllm/requirements.txt pyproject.toml
	$(PYTHON) -m venv $(VLLM)
	$(VLLM)/bin/python -m pip install -q $$(grep '^torch==' infra/vllm/requirements.txt)
	$(VLLM)/bin/python -m pip install -q --no-deps -r infra/vllm/requirements.txt
	$(VLLM)/bin/python -m pip install -q --no-deps --no-build-isolation -e .
	@touch $@

test-vllm: $(VLLM)/installed  ## the tests of the vLLM engine, in an environment of their own
	$(VLLM)/bin/python -m pytest tests/vllm

# Airflow asks for other versions, too, and needs none of ours: its tasks call the command in .venv
$(AIRFLOW)/installed: infra/airflow/requirements.txt
	$(PYTHON) -m venv $(AIRFLOW)
	$(AIRFLOW)/bin/python -m pip install -q --no-deps -r infra/airflow/requirements.txt
	@touch $@

test-airflow: $(STAMP) $(AIRFLOW)/installed  ## the DAGs in a real Airflow, in an environment of its own
	SHOPBATCH_PYTHON=$(abspath $(BIN)/python) $(AIRFLOW)/bin/python -m pytest infra/airflow/tests

lint: $(STAMP)  ## ruff, the layers and mypy alone
	$(BIN)/ruff check && $(BIN)/ruff format --check && $(BIN)/lint-imports && $(BIN)/mypy

bench: $(STAMP)  ## all measurements of speed, side by side with others, in one table (ASK="sentiment start": these)
	$(BIN)/python -m bench $(ASK)

chaos: $(STAMP)  ## the fault tests alone: crashes of drivers, workers and engines
	$(BIN)/python -m pytest -m chaos

docs: $(STAMP)  ## write the generated pages of docs/ anew, and build docs/ as a site in site/
	$(BIN)/python -m shopbatch.capabilities.profiles.catalogue > docs/features.md
	SHOPBATCH_HOME=. $(BIN)/python -m shopbatch.cli.reference docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --strict

lock: $(STAMP)  ## write requirements.lock anew from what is installed
	$(BIN)/python -m pip freeze --exclude-editable | sed "s|+cpu$$||" > requirements.lock

clean:  ## remove .venv, .venv-vllm, .venv-airflow, the built documentation and the local warehouse
	rm -rf .venv $(VLLM) $(AIRFLOW) site .warehouse
