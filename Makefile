# Each target does its own set-up: only Python >= 3.11 and make are needed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STUDY ?= embedded
FAST := not slow and not training and not browser
CODE := src studies experiments tests benchmarks docs

.PHONY: run test test-fast test-endpoint test-rebuild check install install-dev clean docs dist organisms bench bench-quick

run: $(VENV)/.installed
	$(BIN)/holdfast run $(STUDY)

# Everything but llama.cpp's server and the pretraining of the shipped base. Coverage is measured on the tests of test-fast: on the others it would cost minutes.
test: $(VENV)/.installed-dev $(VENV)/.chromium check
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "$(FAST)" --cov --cov-report=
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "not ($(FAST)) and not rebuild"
	@echo "coverage of src/holdfast and studies: $$($(BIN)/python -m coverage report --format=total) %"

# No training, no browser: a few minutes; the goal is two on two idle cores.
test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --dist loadscope -m "$(FAST)"

# llama.cpp's server, compiled from its sources (a C++ compiler and about 20 minutes of one core the first time), against our own numbers.
test-endpoint: $(VENV)/.installed-endpoint
	$(BIN)/python -m pytest tests/endpoints

# Pretrains the shipped base again: it must come out within the bands of the shipped one.
test-rebuild: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m rebuild

check: $(VENV)/.installed-dev
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/pyright
	$(BIN)/lint-imports --no-logo

# The pages, checked and built into site/; open site/index.html.
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# The sdist, and the wheel made from it, in dist/. Builds without isolation, so it needs no network once .venv is there.
dist: $(VENV)/.installed-dev
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/python -m twine check --strict dist/*

# Pretrains the models with planted deference again and rewrites their page.
organisms: $(VENV)/.installed
	$(BIN)/python -m experiments.organisms --out runs/organisms --page docs/organisms.md

# holdfast against lm-eval, HF generate, Trainer + PEFT and TRL on one thread. The quick form: 2M, one round, fewer steps; --check compares it with this machine's stored file.
bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.peers

bench-quick: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.peers --quick

install: $(VENV)/.installed

install-dev: $(VENV)/.installed-dev

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit("holdfast needs Python >= 3.11, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check torch==2.13.0 -c constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e . -c constraints.txt
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev]' -c constraints.txt
	touch $@

$(VENV)/.installed-endpoint: $(VENV)/.installed-dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[endpoint-tests]' -c constraints.txt
	touch $@

# A browser for the tests of the report: an installed one, or Debian's if this user may install packages.
$(VENV)/.chromium: | $(BIN)/python
	@command -v $${HOLDFAST_CHROMIUM:-chromium} || command -v chromium-browser || command -v google-chrome || { \
	  test "$$(id -u)" = 0 && command -v apt-get && apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } || { \
	  echo "the tests of the report need Chromium: install it, or name one in HOLDFAST_CHROMIUM" >&2; exit 1; }
	touch $@

clean:
	rm -rf $(VENV) build dist site .coverage *.egg-info src/*.egg-info
