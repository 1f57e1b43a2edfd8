# Two commands: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help env demo test test-kafka check format bench clean

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(STAMP): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[demo]' --group test --group check
	@touch $@

env: $(STAMP) ## Make the environment

demo: $(STAMP) ## Run real agents end to end and show what was recorded
	@$(BIN)/headrace demo

test: $(STAMP) ## The tests, on the embedded stack
	$(BIN)/python -m pytest -m "not kafka and not kafka3"

test-kafka: $(STAMP) ## The behaviour tests on a real Apache Kafka (KAFKA_BOOTSTRAP_SERVERS, or fetched with Maven)
	$(BIN)/python -m pytest -m "kafka or kafka3"

check: $(STAMP) ## ruff, mypy strict, pyright, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(STAMP) ## Format and fix
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

clean: ## Remove the environment and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache
