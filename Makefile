# Two commands: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
BENCH := $(VENV)/.installed-bench
# They wait more than they compute; each job has a Kafka, a ClickHouse and stacks of its own.
TEST_JOBS ?= 2
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --retries 10 --timeout 60

.PHONY: help env demo test test-kafka test-otlp check format clean bench bench-hook bench-logs \
        bench-archive bench-metrics bench-metrics-kafka bench-traces bench-audit bench-audit-seal \
        bench-audit-verify bench-scrub bench-pipeline bench-pipeline-kafka bench-latency bench-alerts \
        bench-backfill bench-storage bench-ten-million round-trip

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-22s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# A venv that broke half-way is made again: the stamp is written last.
$(STAMP): pyproject.toml
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 10) <= v < (3, 14) else \
	  "headrace needs Python 3.10 to 3.13, not %d.%d: make PYTHON=python3.12" % v[:2])'
	@if $(PYTHON) -c 'import ensurepip' 2>/dev/null; then $(PYTHON) -m venv $(VENV); else \
	  $(PYTHON) -m venv --without-pip $(VENV) && $(BIN)/python tools/get_pip.py; fi
	$(PIP) --upgrade 'pip>=25.1'
	$(PIP) -e '.[demo]' --group test --group check
	@touch $@

$(BENCH): $(STAMP)
	$(PIP) --group bench
	@touch $@

env: $(STAMP) ## Make the environment

demo: $(STAMP) ## Run real agents end to end and show what was recorded
	@$(BIN)/headrace demo

test: $(STAMP) ## The tests, on the embedded stack
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile -m "not kafka and not kafka3 and not programs and not collector"

test-kafka: $(STAMP) ## The behaviour tests on a real Apache Kafka (KAFKA_BOOTSTRAP_SERVERS, or fetched with Maven)
	@$(BIN)/python -m tests.stack.kafka_jars
	$(BIN)/python -m pytest -n $(TEST_JOBS) --dist loadfile -m "kafka or kafka3"

test-otlp: $(STAMP) ## The tests with an OpenTelemetry Collector, which Go builds once
	@$(BIN)/python -m tests.otlp.collector_build
	$(BIN)/python -m pytest -m collector

check: $(STAMP) ## ruff, mypy strict, pyright, import-linter, tests of the docs and with curl, docker-compose, promtool and chromium
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/docs
	$(BIN)/python -m pytest -q -m programs

format: $(STAMP) ## Format and fix
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench-alerts: $(BENCH) ## From a tool that fails to the webhook that tells of it
	$(BIN)/python benchmarks/alerts.py

bench-audit-seal: $(BENCH) ## Evidence sealed a second, and opening a log of a million entries
	$(BIN)/python benchmarks/audit_seal.py

bench: bench-hook bench-logs bench-archive bench-metrics bench-traces bench-audit bench-audit-seal bench-audit-verify bench-scrub bench-pipeline bench-latency bench-alerts bench-backfill bench-storage ## Every benchmark on the local stack

bench-hook: $(BENCH) ## What the hook costs the agent, beside four others
	$(BIN)/python benchmarks/hook.py

bench-logs: $(BENCH) ## What a log record costs the caller, beside a FileHandler
	$(BIN)/python benchmarks/log_handler.py

bench-archive: $(BENCH) ## The archive alone, from a full topic
	$(BIN)/python benchmarks/archive.py

bench-scrub: $(BENCH) ## What scrubbing costs the archive
	$(BIN)/python benchmarks/scrub.py

bench-metrics: $(BENCH) ## The metrics beside plain Faust and Quix Streams, from a full topic, one core each
	$(BIN)/python benchmarks/metrics.py

bench-metrics-kafka: $(BENCH) ## The same on a real Apache Kafka
	@$(BIN)/python -m tests.stack.kafka_jars
	$(BIN)/python benchmarks/metrics.py --kafka

bench-audit: $(BENCH) ## The split of the audit trail alone, from a full topic, one core
	$(BIN)/python benchmarks/audit_split.py

bench-traces: $(BENCH) ## Spans from a full topic, one core
	$(BIN)/python benchmarks/traces.py

bench-pipeline: $(BENCH) ## Two million events through the whole local chain
	$(BIN)/python benchmarks/pipeline.py

bench-pipeline-kafka: $(BENCH) ## The same through a real Apache Kafka
	$(BIN)/python benchmarks/pipeline.py --kafka

bench-ten-million: $(BENCH) ## Search and replay in ten million events
	$(BIN)/python benchmarks/ten_million.py

bench-latency: $(BENCH) ## From on_event to a SELECT that sees it
	$(BIN)/python benchmarks/latency.py

bench-backfill: $(BENCH) ## A file of a million lines to Kafka's last acknowledgement
	$(BIN)/python benchmarks/backfill.py

bench-audit-verify: $(BENCH) ## What the audit trail's verifier gets through in a second
	$(BIN)/python benchmarks/audit_verify.py

bench-storage: $(BENCH) ## Bytes an event on disk, beside JSON lines under zstd
	$(BIN)/python benchmarks/storage.py

round-trip: $(STAMP) ## Export, send again, archive, compare: once, with figures
	$(BIN)/python -m pytest -q -s tests/export/test_round_trip_embedded.py

clean: ## Remove the environment and caches
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache
