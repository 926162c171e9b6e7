# The commands of a checkout; `make help` lists them. Everything goes into .venv here and the user's cache and state folders.
PYTHON := .venv/bin/python
SETUP := .venv/.complete
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory
# Nothing of another environment shall leak into ours.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV

.PHONY: help setup demo stories test fuzz check bench bench-quick chaos format lock clean

help: ## This list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(SETUP) ## Environment in .venv: locked dependencies, checked by hash, and this project

# pip is asked to look twice only when what it would find has changed.
$(SETUP): pyproject.toml requirements.lock requirements-dev.lock
	@python=$$(scripts/prerequisites.sh python) && \
	if ! $(PYTHON) -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	  echo "making .venv with $$python" && rm -rf .venv && "$$python" -m venv .venv; \
	fi
	@echo "installing the locked dependencies (a minute or so the first time)"
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	@$(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(SETUP) ## Kafka, worker, live metrics and scripted faults, and their alerts; DURATION_S=90 stops by itself
	@scripts/prerequisites.sh broker
	@.venv/bin/tidegauge demo $(if $(DURATION_S),--duration-s $(DURATION_S))

stories: $(SETUP) ## Two incidents to watch, on a real Kafka: errors in checkout; CPU above 85 %, scaled, and where scaling fails
	@scripts/prerequisites.sh broker
	@$(PYTHON) -m examples.stories.checkout
	@$(PYTHON) -m examples.stories.scaling
	@$(PYTHON) -m examples.stories.scaling --fail

test: $(SETUP) ## All tests, those on a real Kafka too; ARGS="-k broker" for some
	@scripts/prerequisites.sh broker kcat alertmanager
	@$(PYTHON) -m pytest $(ARGS)

fuzz: $(SETUP) ## The tests that search, on examples that nobody has tried; ARGS="tests/config" for some
	@scripts/prerequisites.sh broker kcat alertmanager
	@TIDEGAUGE_FUZZ=1 $(PYTHON) -m pytest $(ARGS)

check: $(SETUP) ## Linters, format, types, layering, and that the locks are current
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports
	@$(PYTHON) scripts/lock.py --check
	@$(PYTHON) -m pytest -q tests/test_house.py

bench: $(SETUP) ## Benchmarks beside their rivals, as the documentation quotes them
	@scripts/prerequisites.sh broker
	@$(PYTHON) -m benchmarks.throughput $(ARGS)
	@$(PYTHON) -m benchmarks.desk
	@$(PYTHON) -m benchmarks.desk --group-by series
	@if [ -n "$$TIDEGAUGE_DATA" ]; then $(PYTHON) -m benchmarks.quality --halves; \
	else echo "quality of detection: left out, TIDEGAUGE_DATA names no folder of labelled series (docs/quality.md)"; fi

bench-quick: $(SETUP) ## The same in a minute: for a look, not for quoting
	@scripts/prerequisites.sh broker
	@$(PYTHON) -m benchmarks.throughput --quick $(ARGS)

chaos: $(SETUP) ## Every fault on a real Kafka with real workers, beside one uninterrupted run; ARGS="--only zombie"
	@scripts/prerequisites.sh broker
	@$(PYTHON) -m tests.chaos $(ARGS)

format: $(SETUP) ## Format the code and sort its imports
	@$(PYTHON) -m ruff check --select I --fix --quiet .
	@$(PYTHON) -m ruff format .

lock: $(SETUP) ## Make the locks anew from pyproject.toml; ARGS=--upgrade takes the newest versions
	@$(PYTHON) scripts/lock.py $(ARGS)

clean: ## Remove .venv and what the tools left; Kafka and its data stay (`tidegauge broker stop`)
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
