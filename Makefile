# `make demo` and `make test` are all the set-up there is: each makes .venv first when it is missing or out of date.
.DEFAULT_GOAL := help
.PHONY: help demo install uninstall test soak bench screenshots audit check format lock clean

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN := .venv/bin
# More than two cores: many tests wait for what takes its time.
WORKERS ?= 3
# Where it is forbidden to write bytecode, every worker and every daemon of a test would compile all modules again.
PYTEST := env --unset=PYTHONDONTWRITEBYTECODE $(BIN)/python -m pytest

help: ## List the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' Makefile

.venv/.installed: requirements.txt pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: install it, or name it with make PYTHON=…"; exit 1; }
	@printf '[1/3] Making .venv with %s\n' "$$($(PYTHON) --version)"
	@$(PYTHON) -m venv --clear .venv || { echo "The venv module is missing: install it (Debian: apt install python3-venv)"; exit 1; }
	@printf '[2/3] Installing %s locked packages (under a minute)\n' "$$(grep -c '==' requirements.txt)"
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.txt
	@printf '[3/3] Installing kakiyo-webhooks\n'
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: .venv/.installed ## Run a daemon with three local receivers and watch it work
	@$(BIN)/kakiyo-webhooks demo

install: ## Install it as a systemd service, or upgrade it (as root)
	@PYTHON=$(if $(filter command% environment%,$(origin PYTHON)),$(PYTHON)) systemd/install

uninstall: ## Remove the service; configuration, keys and state stay (as root)
	@systemd/install uninstall

test: .venv/.installed ## Run every test, or some: make test ARGS="tests/actors -k order"
ifdef ARGS
	@$(PYTEST) -n $(WORKERS) --dist worksteal $(ARGS)
else
	@$(PYTEST) -n $(WORKERS) --dist worksteal --ignore tests/load
	@$(PYTEST) tests/load # judged by the clock: nothing else runs meanwhile
endif

soak: .venv/.installed ## Run the long fault suites: 50 kills, a minute of overload, many random histories, a cluster
	@$(BIN)/python -m tests.faults.soak $(ARGS)
ifndef ARGS
	@$(BIN)/python -m tests.cluster.soak
endif

bench: .venv/.installed ## Measure it all against its floors (needs wrk and nginx)
	@$(BIN)/python -m tests.bench $(ARGS)

screenshots: .venv/.installed ## Take the documentation's pictures of the console (needs chromium)
	@$(BIN)/python -m tests.browser.screenshots docs/console

audit: ## Look up known vulnerabilities of the locked packages (needs the network)
	@python3 -m venv .audit && .audit/bin/pip install --quiet pip-audit
	@.audit/bin/pip-audit --strict --require-hashes --disable-pip --requirement requirements.txt

check: .venv/.installed ## Check formatting, lint and types
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy

format: .venv/.installed ## Format the code
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

lock: ## Lock the requirements anew, with hashes (needs uv)
	uv pip compile pyproject.toml --group dev --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --upgrade --output-file requirements.txt
	uv pip compile pyproject.toml --group build --extra postgresql --universal --generate-hashes --no-emit-index-url --no-header \
		--python-version 3.11 --constraints requirements.txt --output-file systemd/requirements.txt

clean: ## Remove what these commands made
	rm -rf .venv .audit build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
