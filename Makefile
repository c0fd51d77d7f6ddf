# make demo   environment, stand-in data, a short training per paper, report in demo/
# make test   environment, lint, tests (every parity case among them), claims against the baseline
# make regression   parity and smoke claims against benchmarks/upkeep/baseline.json
# make clean  remove what the two made (the environment stays; remove .venv by hand)

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
STAMP := $(VENV)/.installed
# Each worker imports torch (about 1 GB with its libraries), so more than four rarely pay.
WORKERS ?= auto

.PHONY: env test lint regression demo clean

env: $(STAMP)

$(STAMP): setup.cfg
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: '$(PYTHON)' was not found; install Python 3.10 or newer, or say which with" \
	       "'make PYTHON=/path/to/python3'." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "error: $(PYTHON) is $$($(PYTHON) -V 2>&1), but Python 3.10 or newer is needed;" \
	       "say which to use with 'make PYTHON=/path/to/python3'." >&2; exit 1; }
	@test -x $(RUN) || $(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); \
	  echo "error: '$(PYTHON) -m venv $(VENV)' failed; on Debian and Ubuntu the package" \
	       "python3-venv is needed." >&2; exit 1; }
	@echo "Installing into $(VENV); torch is large, so the first time takes minutes."
	@$(RUN) -m pip install --disable-pip-version-check -qq -e '.[test]'
	@touch $@

lint: env
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .

# One thread a worker: torch's own threads would only fight the other workers for the cores.
test: lint
	OMP_NUM_THREADS=1 $(RUN) -m pytest -n $(WORKERS) --maxprocesses 4 -q
	OMP_NUM_THREADS=1 $(RUN) -m benchmarks regression --claims_only

regression: env
	OMP_NUM_THREADS=1 $(RUN) -m benchmarks regression --jobs 2

demo: env
	$(RUN) -m benchmarks demo --out demo

clean:
	rm -rf demo .pytest_cache .ruff_cache *.egg-info
	find . -path ./$(VENV) -prune -o -type d -name __pycache__ -print | xargs rm -rf
