# Two commands are all the set-up on a fresh machine: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test soak bench faults lint format clean

demo: $(VENV)/.runtime
	@$(BIN)/smsrack demo $(ARGS)

# Most tests wait for phones and clocks: files side by side, two workers a core, in their order, so that the long ones
# are not the last.
test: lint
	$(BIN)/pytest -n $$(($$(getconf _NPROCESSORS_ONLN) * 2)) --dist loadfile --no-loadscope-reorder $(ARGS)

# The long runs: the daemon killed at every step of a send and at random (LONG=1: four times as often), random faults
# for ten minutes (or HOURS=8), 10,000 messages without any; 2,000 histories of faults on modelled phones, 100,000
# hostile outputs, 10,000 texts through two shells; a day of 100 SIMs and
# 50,000 messages; 10,000 STOPs into running sends, every second one between claim and phone; 100,000 bodies of any kind
# to the gateway; 1,000 messages through a phone with the app that crashes, and three on cables.
# The kills go on where they were stopped; `rm build/crash.jsonl` starts them anew.
soak: $(VENV)/.dev
	$(BIN)/python -m benchmarks.crash $(if $(LONG),--legs 220 --at-least 200,--legs 58 --at-least 50) --random 10
	$(BIN)/python -m benchmarks.soak $(if $(HOURS),--hours $(HOURS))
	SMSRACK_TEST_KILLS=20 SMSRACK_TEST_MODEL_EXAMPLES=2000 SMSRACK_TEST_EXAMPLES=100000 SMSRACK_TEST_TEXTS=10000 SMSRACK_TEST_DAY=full \
		SMSRACK_TEST_STOPS=10000 SMSRACK_TEST_MIGRATION_KILLS=1000 SMSRACK_TEST_FUZZ=100000 SMSRACK_TEST_MIXED=1000 \
		$(BIN)/pytest --timeout 3600 tests/model tests/e2e/test_kill.py tests/unit/test_hostile_output.py tests/contract/test_quoting.py \
		tests/rack/test_last_look.py tests/store/test_migration_kill.py tests/gateway_api/test_walk.py tests/e2e/test_remote_phone.py $(ARGS)

# Measurements on simulated phones; they write docs/figures/ and the tables in docs. About an hour on a quiet machine;
# the rival needs gammu-smsd, and says what to install where it is missing.
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.transport
	$(BIN)/python -m benchmarks.years
	$(BIN)/python -m benchmarks.idle
	$(BIN)/python -m benchmarks.saturated
	$(BIN)/python -m benchmarks.depth
	$(BIN)/python -m benchmarks.paced
	$(BIN)/python -m benchmarks.api
	$(BIN)/python -m benchmarks.inbox
	$(BIN)/python -m benchmarks.odoo
	$(BIN)/python -m benchmarks.rival

faults: $(VENV)/.dev
	$(BIN)/python -m benchmarks.faults
	$(BIN)/python -m benchmarks.delivery
	$(BIN)/python -m benchmarks.odoo_faults

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell README.md CHANGELOG.md CONTRIBUTING.md docs/*.md host_controller device_drivers web odoo_sync udev packaging benchmarks

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
