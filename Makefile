# Every target sets up what it needs in .venv (Python 3.11 or newer, a C++20 compiler) and says what it does.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
KERNEL := CMakeLists.txt $(wildcard native/bindings/* native/include/isotopy/*.hpp)
OUT ?= demo
.DEFAULT_GOAL := help

.PHONY: help install demo test test-full check web check-web bench docs clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1@/' | column -t -s@

.venv/.torch: constraints.txt
	@echo "-- creating .venv with $(PYTHON) and installing torch"
	@$(PYTHON) -m venv .venv
	@$(PIP) torch
	@touch $@

.venv/.package: .venv/.torch pyproject.toml $(KERNEL)
	@echo "-- building the kernel and installing isotopy into .venv"
	@$(PIP) scikit-build-core nanobind cmake ninja
	@$(PIP) --no-build-isolation --editable .
	@touch $@

.venv/.dev: .venv/.package
	@echo "-- installing what tests and checks need"
	@$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@

.venv/.docs: .venv/.package
	@echo "-- installing what the documentation needs"
	@$(PIP) --no-build-isolation --editable '.[docs]'
	@touch $@

install: .venv/.package ## create .venv with isotopy in it

demo: .venv/.package ## train a small network on handwritten digits, follow it, inspect it before and after, write three reports
	@$(BIN)/isotopy demo --out $(OUT)

test: .venv/.dev ## unit tests and doctests, a few minutes
	@echo "-- running tests and doctests"
	@$(BIN)/python -m pytest -q -n 2 -m "not full and not browser"

test-full: .venv/.dev ## the long runs on real data; needs ISOTOPY_DATA
	@echo "-- running the long tests on real data"
	@$(BIN)/python -m pytest -q -m full

check: .venv/.dev ## format, lint, types, import contract, C++ tests (plain and sanitized), browser tests
	@echo "-- format and lint"
	@$(BIN)/ruff format --check --quiet . && $(BIN)/ruff check --quiet .
	@echo "-- types"
	@$(BIN)/mypy
	@echo "-- floors of the house"
	@$(BIN)/lint-imports --no-cache
	@echo "-- C++ tests, warnings are errors"
	@$(BIN)/cmake -S . -B build/tests -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DISOTOPY_PYTHON=OFF -DISOTOPY_TESTS=ON >/dev/null
	@$(BIN)/cmake --build build/tests && $(BIN)/ctest --test-dir build/tests --output-on-failure
	@echo "-- C++ tests with AddressSanitizer and UndefinedBehaviorSanitizer"
	@$(BIN)/cmake -S . -B build/sanitized -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DISOTOPY_PYTHON=OFF -DISOTOPY_TESTS=ON -DISOTOPY_SANITIZE=ON >/dev/null
	@$(BIN)/cmake --build build/sanitized && $(BIN)/ctest --test-dir build/sanitized --output-on-failure
	@if command -v npm >/dev/null; then $(MAKE) --no-print-directory check-web; \
	else echo "-- no Node and npm here: the viewer is not tested by itself nor built again"; fi
	@echo "-- browser tests"
	@$(BIN)/python -m pytest -q -m browser

web/node_modules/.package-lock.json: web/package-lock.json
	@echo "-- installing what the viewer is built with"
	@cd web && npm ci --silent --no-audit --no-fund
	@touch $@

web: web/node_modules/.package-lock.json ## build the viewer of scenes into src/isotopy/see/assets; needs Node and npm
	@cd web && npm run --silent build

check-web: web/node_modules/.package-lock.json
	@echo "-- viewer: types, tests, and the committed bundle built again byte for byte"
	@cd web && npm run --silent types && npm test --silent && npm run --silent check

.venv/.bench: .venv/.dev
	@echo "-- installing the peers that benchmarks compare with"
	@$(PIP) --no-build-isolation --editable '.[dev,bench]'
	@$(PIP) torch-topological || echo "torch-topological does not install here; it is left out"
	@touch $@

bench: .venv/.bench ## measure against other libraries and the usual ways, some ten minutes; writes benchmarks/results.json
	@$(BIN)/python benchmarks/run.py --out benchmarks/results.json --table docs/_static/persistence.inc
	@$(BIN)/python benchmarks/ranks.py
	@$(BIN)/python benchmarks/polytopes.py
	@$(BIN)/python benchmarks/overlaps.py
	@$(BIN)/python benchmarks/neighbors.py

docs: .venv/.docs ## build the documentation, examples executed, into docs/_build/html
	@echo "-- building the documentation"
	@$(BIN)/sphinx-build -E -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

clean: ## remove what the other targets made
	rm -rf .venv build dist docs/_build demo web/node_modules web/build
