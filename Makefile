# Two commands are all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test soak lint format clean

demo: $(VENV)/.runtime
	@$(BIN)/smsrack demo $(ARGS)

test: lint
	$(BIN)/pytest $(ARGS)

# The long runs: the daemon killed 20 times in mid-send.
soak: $(VENV)/.dev
	SMSRACK_TEST_KILLS=20 $(BIN)/pytest tests/e2e/test_kill.py $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs/*.md host_controller device_drivers web odoo_sync udev packaging

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build dist *.egg-info

$(BIN)/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "smsrack needs Python 3.11 or newer; name one with PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "install the package python3-venv first" >&2; exit 1; }

$(VENV)/.runtime: setup.cfg pyproject.toml | $(BIN)/pip
	@echo "installing smsrack into $(VENV) (first time only) ..." >&2
	@$(BIN)/pip install --quiet --editable . >&2
	@touch $@

$(VENV)/.dev: setup.cfg pyproject.toml | $(BIN)/pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@ $(VENV)/.runtime
