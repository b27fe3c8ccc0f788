# Everything is kept in .venv; nothing but Python 3.11 (and make) has to be there before.
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# A worker for each core, which runs whole files, in the order in which they stand: the longest are not the last.
PARALLEL ?= -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.DEFAULT_GOAL := help
.PHONY: help run test test-all check format bench conformance soak contract examples lock clean

help: ## show what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## start the server on SQLite, or on what the environment names
	@$(PYTHON) scripts/bootstrap.py run
	@$(BIN)/python scripts/web.py || true
	@exec $(BIN)/gochat serve --migrate

test: ## unit, contract and wire tests, on real services
	@$(PYTHON) scripts/bootstrap.py test
	@$(BIN)/python scripts/services.py test
	$(BIN)/python -m pytest -m "not slow" $(PARALLEL) $(wildcard tests/unit tests/contract tests/wire) $(ARGS)

test-all: test ## the same, then faults, browser, Java and the long ones
	@$(PYTHON) scripts/bootstrap.py all
	@$(BIN)/python scripts/services.py all
	$(BIN)/python -m pytest -m slow $(PARALLEL) tests $(ARGS)

check: ## lint, types, import rules, locks, workflows, licences: all without a network
	@$(PYTHON) scripts/bootstrap.py test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/lock.py --check
	$(BIN)/python scripts/settings_table.py --check
	$(BIN)/python scripts/check_tree.py
	PATH=$(BIN):$$PATH $(BIN)/actionlint
	$(BIN)/zizmor --offline --quiet .github
	$(BIN)/python -m scripts.audit --offline

format: ## let ruff fix and format the code
	@$(PYTHON) scripts/bootstrap.py test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: ## the benchmarks; ARGS are theirs
	@$(PYTHON) scripts/bootstrap.py test
	@$(BIN)/python scripts/services.py bench
	$(BIN)/python -m benchmarks $(ARGS)

conformance: ## the official protocol suites; SUITES is a checkout of socketio/socket.io (docs/conformance.md)
	@$(PYTHON) scripts/bootstrap.py test
	$(BIN)/python scripts/conformance.py $(SUITES) $(ARGS)

soak: ## load under faults, for long; ARGS are its own
	@$(PYTHON) scripts/bootstrap.py test
	@$(BIN)/python scripts/services.py test
	$(BIN)/python -m tests.soak $(ARGS)

contract: ## write docs/contract and the README's table of settings anew
	@$(PYTHON) scripts/bootstrap.py run
	$(BIN)/gochat contract
	$(BIN)/python scripts/settings_table.py

examples: ## record the examples of the contract anew, from a real run
	@$(PYTHON) scripts/bootstrap.py test
	$(BIN)/python -m tests.wire.recorded
	$(BIN)/gochat contract

lock: ## compile requirements/ anew (needs uv); ARGS=--upgrade takes newer versions
	$(PYTHON) scripts/lock.py $(ARGS)

clean: ## remove what the other targets made
	rm -rf .venv tests/js/node_modules tests/java/target build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis \
		.import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +
