# All set-up is done by the targets themselves, from locked versions with hashes. Needs Python 3.11 or later and make.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.PHONY: help setup setup-dev rehearsal test check format lock bench bench-sweep soak clean
help:  ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

.setup/runtime: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit("Lastcopy needs Python 3.11 or later; this is %d.%d. Set PYTHON=…" % sys.version_info[:2] if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "Installing Lastcopy into .venv …"
	@$(PIP) install --require-hashes --no-deps -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation -e .
	@mkdir -p .setup && touch $@

.setup/dev: requirements-dev.lock .setup/runtime
	@echo "Installing the test tools into .venv …"
	@$(PIP) install --require-hashes --no-deps -r requirements-dev.lock
	@mkdir -p .setup && touch $@

setup: .setup/runtime  ## make .venv with the command .venv/bin/lastcopy
setup-dev: .setup/dev  ## the same, with the test tools

rehearsal: setup  ## the whole story on a simulated tenant, in a minute
	@$(BIN)/lastcopy rehearse

test: setup-dev  ## the tests that CI runs (two workers a core: half of their time they wait for processes and for the network)
	@$(BIN)/python -m pytest -n $$($(BIN)/python -c 'import os; print(2 * (os.cpu_count() or 1))') --dist worksteal

check: setup-dev  ## format, lint, types, import contracts
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup-dev  ## put the code into the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: setup-dev  ## speed and memory, as ratios
	@$(BIN)/python -m pytest tests/bench -m bench -s

bench-sweep: setup-dev  ## a sweep of 10,000 subscriptions, on SQLite and PostgreSQL; exits 1 if it is too slow
	@PYTHONPATH=. $(BIN)/python -m tests.bench.sweep_bench

soak: setup-dev  ## the long ones: crashes, a million files
	@$(BIN)/python -m pytest tests -m soak -s

lock: setup-dev  ## renew the locked versions (needs uv)
	uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --universal --group build pyproject.toml -o requirements.lock --custom-compile-command "make lock"
	uv pip compile --quiet --generate-hashes --no-emit-index-url --python-version 3.11 --universal --group build --group dev pyproject.toml -o requirements-dev.lock --custom-compile-command "make lock"

clean:  ## remove what the targets made
	rm -rf .venv .setup build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
