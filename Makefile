# crossfade: every command of the project. `make demo` and `make test` do all set-up themselves.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.ready

.PHONY: setup demo test test-full check soak bench bench-quick evidence clean sdks

setup: $(STAMP)

# uv where pip can bring it (seconds instead of minutes), plain pip otherwise.
$(STAMP): pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $(STAMP)

demo: setup
	@$(BIN)/python -m demo $(ARGS)

check: setup
	@$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/lint-imports --no-cache && $(BIN)/mypy

# Many tests wait for processes more than they compute: three at a time keep two cores busy.
test: check
	@$(BIN)/python -m pytest -n 3 --dist worksteal -m "not full" $(ARGS)

test-full: check
	@$(BIN)/python -m pytest -n 2 $(ARGS)

# Random histories of one sandbox for as long as they are told: make soak SECONDS=3600
SECONDS ?= 600
soak: setup
	@SOAK_SECONDS=$(SECONDS) $(BIN)/python -m pytest -n 0 -s tests/model -m full $(ARGS)

bench: setup
	@sh scripts/bench_env.sh && $(BIN)/python -m bench $(ARGS)

# The small call against nginx and Envoy alone: under 50 s once everything is installed.
bench-quick: setup
	@sh scripts/bench_env.sh && $(BIN)/python -m bench --quick $(ARGS)

# The statistics against simulated truths, beside other rules; writes the tables of docs/evidence.md. About 15 minutes.
evidence: setup
	@$(BIN)/python -m bench.evidence $(ARGS)

clean:
	rm -rf $(VENV) .envs out
