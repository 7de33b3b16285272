# Every target does its own set-up from a bare python3: it makes .venv and installs what it needs into it.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test lint floors bench clean

run: .venv/run.stamp  ## the main job: does "100x over-trained" hold, and what is the optimum?
	$(BIN)/overtrain reproduce
	$(BIN)/overtrain solve lecture-2026

test: .venv/test.stamp  ## everything: published numbers, oracles, properties, bad input, the wheel
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

floors: .venv-floors/stamp  ## the oldest libraries that pyproject.toml allows; tests/floors.txt lists what is tried on them
	.venv-floors/bin/python -m pytest --numprocesses 2 --dist loadfile -W default @tests/floors.txt

bench: .venv/test.stamp  ## time of one solve, warm, beside scipy alone on the same problem
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_sweep
	$(BIN)/python -m tests.bench_fit
	$(BIN)/python -m tests.bench_processes
	$(BIN)/python -m tests.bench_processes memory

clean:
	rm -rf .venv .venv-floors build dist

.venv/bin/python:
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

.venv/run.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	touch $@

.venv/test.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[test]"
	touch $@ .venv/run.stamp

.venv/dev.stamp: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	touch $@ .venv/test.stamp .venv/run.stamp

# Their own deprecations are no faults of ours, hence -W default above. Old releases have wheels for old Pythons only.
.venv-floors/stamp: pyproject.toml
	$(or $(shell command -v python3.11),$(PYTHON)) -m venv --clear .venv-floors
	.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-floors/bin/uv pip install --quiet --python .venv-floors --resolution lowest-direct --editable ".[test]"
	touch $@
