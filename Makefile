# The recipes of this project. `make` alone lists them; CI and the README call these same targets.
PYTHON ?= python3
VENV   ?= .venv
BIN     = $(VENV)/bin
PIP     = $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Tests need one torch; this exact version first, since a small CPU build of it may be at hand.
TORCH  ?= torch==2.13.0

.PHONY: help train test test-slow near light mutants lint types check bench clean

help:            ## list the recipes
	@grep -E '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 14

train: $(VENV)/.installed      ## train the embedded digits; leaves runs/digits with its pictures
	$(BIN)/handloom train

test: $(VENV)/.installed-dev   ## the tests, on all cores; real data where HANDLOOM_DATA names them
	$(BIN)/python -m pytest -n auto

near: $(VENV)/.installed-dev   ## the tests of what has changed since the last commit, or since BASE=main
	$(BIN)/python tests/near.py $(BASE)

light: $(VENV)/.installed-dev  ## under a minute: the tests that need neither PyTorch nor a compiler
	$(BIN)/python -m pytest -n auto --light

test-slow: $(VENV)/.installed-dev  ## the long tests too
	$(BIN)/python -m pytest --slow

mutants: $(VENV)/.installed-dev ## does a test notice a wrong line? PART=training [SAMPLE=300]; hours
	$(PIP) --requirement requirements-mutants.txt
	$(BIN)/python tests/mutants/mutants.py $(PART) $(if $(SAMPLE),--sample $(SAMPLE))

lint: $(VENV)/.installed-dev   ## format and lint, without changing anything
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/.installed-dev  ## static types
	$(BIN)/pyright

check: lint types test         ## all that CI asks

bench: $(VENV)/.installed-dev   ## our training steps beside those of PyTorch and others, in turns
	$(BIN)/python -m benchmarks

clean:           ## remove the environment and caches, never runs
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis

$(VENV)/.installed: pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed pyproject.toml requirements-dev.txt
	$(PIP) "$(TORCH)" || $(PIP) "torch>=2.6"
	$(PIP) --editable ".[torch,onnx,tune,postgresql,tensorboard]" --requirement requirements-dev.txt
	touch $@
