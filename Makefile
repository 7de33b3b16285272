# Every target does its own set-up from a bare python3: it makes .venv and installs what it needs into it.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --disable-pip-version-check
# Runs a command with a line every eight seconds, so that silence means that it has stopped; the status is the command's.
BEAT ?= 8
BUSY = @sh -c 'echo "$$*"; (while sleep $(BEAT) >&2 && kill -0 $$$$; do echo "  still working"; done) 2>/dev/null & \
	beat=$$!; "$$@"; status=$$?; kill $$beat; exit $$status' busy

.PHONY: run test thorough lint floors bench dist docs clean

run: .venv/run.stamp  ## the main job: does "100x over-trained" hold, and what is the optimum?
	@echo "Reproducing the lecture's 100x under every law; a first run compiles for about a minute."
	$(BUSY) $(BIN)/overtrain reproduce
	$(BUSY) $(BIN)/overtrain solve lecture-2026

test: .venv/test.stamp  ## everything: published numbers, oracles, properties, bad input, the wheel
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --durations 25

thorough: .venv/test.stamp  ## all cases of what tests/thorough.txt lists; OVERTRAIN_THOROUGH=1 make test has all of everything
	OVERTRAIN_THOROUGH=1 $(BIN)/python -m pytest --numprocesses 2 --dist loadgroup @tests/thorough.txt

lint: .venv/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright

floors: .venv-floors/stamp  ## the oldest libraries that pyproject.toml allows; tests/floors.txt lists what is tried on them
	.venv-floors/bin/python -m pytest --numprocesses 2 --dist loadfile -W default @tests/floors.txt

bench: .venv/test.stamp  ## time of one solve, warm, compared with scipy alone on the same problem
	$(BIN)/python -m tests.bench
	$(BIN)/python -m tests.bench_sweep
	$(BIN)/python -m tests.bench_fit
	$(BIN)/python -m tests.bench_processes
	$(BIN)/python -m tests.bench_processes memory

dist: .venv/test.stamp  ## wheel and sdist, built and checked as PyPI does; docs/release.md says how they are published
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

docs: .venv/docs.stamp  ## the documentation site in build/site, without a network; a broken link is an error
	$(BUSY) env NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build

clean:
	rm -rf .venv .venv-floors build dist

.venv/bin/python:
	@echo "Making .venv, a Python environment of its own (a few seconds)."
	$(BUSY) $(PYTHON) -m venv .venv
	$(BUSY) $(PIP) --upgrade pip

.venv/run.stamp: pyproject.toml | .venv/bin/python
	@echo "Installing overtrain with JAX, SciPy, pandas, Streamlit and Altair into .venv: about 500 MB, about a minute."
	$(BUSY) $(PIP) --editable ".[export]"
	touch $@

.venv/test.stamp: pyproject.toml | .venv/bin/python
	$(BUSY) $(PIP) --editable ".[test,docs]"
	touch $@ .venv/run.stamp

.venv/dev.stamp: pyproject.toml | .venv/bin/python
	$(BUSY) $(PIP) --editable ".[dev,docs]"
	touch $@ .venv/test.stamp .venv/run.stamp

.venv/docs.stamp: pyproject.toml | .venv/bin/python
	$(BUSY) $(PIP) --editable ".[docs]"
	touch $@

# Their own deprecations are no faults of ours, hence -W default above. Old releases have wheels for old Pythons only.
.venv-floors/stamp: pyproject.toml
	$(or $(shell command -v python3.11),$(PYTHON)) -m venv --clear .venv-floors
	.venv-floors/bin/python -m pip install --quiet --disable-pip-version-check uv
	.venv-floors/bin/uv pip install --quiet --python .venv-floors --resolution lowest-direct --editable ".[test]"
	touch $@
