# Everything happens in .venv, which is made on first use. Another Python: make test PYTHON=python3.12

PYTHON ?= python3
BIN := .venv/bin

# The tools see what .venv holds and nothing else.
unexport PYTHONPATH
unexport PYTHONHOME

.DEFAULT_GOAL := help
.PHONY: help demo test test-slow lint bench docs clean

help:
	@echo "make demo       the default recipe on a mock survey, beside others: figures in ./sfml-demo"
	@echo "make test       the test suite"
	@echo "make test-slow  the tests that take longer, the benchmarks' quick modes among them"
	@echo "make lint       ruff and mypy"
	@echo "make bench      quick benchmarks of import, training and prediction"
	@echo "make docs       the documentation site, in docs/_build/html; it runs all examples"
	@echo "make clean      remove .venv and what tools left behind (never results)"

demo: .venv/.has-plot
	$(BIN)/sfml demo

test: .venv/.has-dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

test-slow: .venv/.has-dev
	$(BIN)/python -m pytest -m slow

lint: .venv/.has-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: .venv/.has-plot
	$(BIN)/python benchmarks/bench_import.py
	$(BIN)/python benchmarks/bench_train.py --quick
	$(BIN)/python benchmarks/bench_predict.py --quick

docs: .venv/.has-docs
	$(BIN)/python -m sphinx -W --keep-going -j 2 -d docs/_build/doctrees docs docs/_build/html

clean:
	rm -rf docs/_build docs/generated docs/gallery
	rm -rf .venv build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || { \
		echo "sfml needs Python 3.11, 3.12 or 3.13, but '$(PYTHON)' is: $$($(PYTHON) --version 2>&1)"; \
		echo "Name another: make $(MAKECMDGOALS) PYTHON=python3.12"; \
		exit 1; \
	}
	$(PYTHON) -m venv .venv

# Stamps: the package is installed again only when pyproject.toml has changed.
.venv/.has-plot: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[plot]'
	@touch $@

.venv/.has-dev: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch .venv/.has-plot $@

.venv/.has-docs: pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch .venv/.has-plot $@
