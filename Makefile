# make demo: a report from nothing. make test: every check that CI runs. A second run of any target does no setup again.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ENV := .make/environment
PACKAGES := .make/packages
export OMP_NUM_THREADS ?= $(shell nproc)
unexport PYTHONDONTWRITEBYTECODE # with it every process of the tests compiles its modules anew: three times the work

.DEFAULT_GOAL := help
.PHONY: help demo test lint types layers check golden bench wheel clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

$(ENV): pyproject.toml constraints.txt
	PYTHON="$(PYTHON)" VENV="$(VENV)" bash .ci/environment
	@mkdir -p $(@D) && touch $@

$(PACKAGES): .ci/packages
	bash .ci/packages
	@mkdir -p $(@D) && touch $@

demo: $(ENV) ## a synthetic cohort, the main job on it, a report
	@bash .ci/demo

test: $(ENV) $(PACKAGES) lint types layers ## every check that CI runs
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder -m "not gpu"

lint: $(ENV) ## ruff
	$(BIN)/ruff check cinema_cli models tests bench

types: $(ENV) ## mypy --strict
	$(BIN)/mypy --strict

layers: $(ENV) ## the floors, as import-linter contracts
	$(BIN)/lint-imports

golden: $(ENV) ## rewrite the texts that a reviewer reads (tests/golden)
	CINEMA_GOLDEN=write $(BIN)/pytest -m "not gpu" -k golden

bench: $(ENV) ## what is measured, as JSON with commit and machine
	@for script in bench/*.py; do echo "$$script"; $(BIN)/python "$$script" || exit 1; done

wheel: $(ENV) ## build, install in a clean environment, run from there
	$(BIN)/pytest tests/test_project.py -k wheel

clean: ## forget what make built, but not the environment
	rm -rf .make dist build demo
