# CAMscope: `make run` and `make test` are all that is needed. `make help` lists the rest.
#
# Paths below are relative on purpose: make cannot quote prerequisites, and a folder may have spaces in its name.

PYTHON ?= python3
PORT ?= 8501
BIN := .venv/bin

# OpenMP threads that spin while they wait slow torch tenfold beside a browser; see explain/__init__.py.
export OMP_WAIT_POLICY ?= PASSIVE
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Without what Python keeps of compiled sources every worker of the tests and every server compiles a thousand files.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help install run test test-slow lint format audit clean

help: ## Show this list.
	@echo "CAMscope: where an image model looks."
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile
	@echo "Options: PYTHON=$(PYTHON) (3.11 or newer), PORT=$(PORT)."

install: .venv/installed ## Prepare the private .venv with the pinned packages.

run: .venv/installed ## Install if needed, then serve the dashboard on localhost.
	"$(BIN)/python" -m streamlit run app.py --server.port "$(PORT)"

test: .venv/installed-dev ## Run the tests, the browser's too where there is a Chromium.
	"$(BIN)/python" -m pytest -n 3 --dist loadfile

test-slow: .venv/installed-dev ## Run the tests' long forms, which `make test` leaves out.
	"$(BIN)/python" -m pytest -m slow

lint: .venv/installed-dev ## Check style, formatting and types.
	"$(BIN)/python" -m ruff check .
	"$(BIN)/python" -m ruff format --check .
	"$(BIN)/python" -m mypy

format: .venv/installed-dev ## Put imports and formatting in order.
	"$(BIN)/python" -m ruff check --fix .
	"$(BIN)/python" -m ruff format .

# --strict: a package of which the registry says nothing is no sound one.
audit: .venv/audit/installed ## Ask the registry which pinned packages have known holes.
	@".venv/audit/bin/python" -m pip_audit --strict --no-deps --disable-pip --requirement constraints.txt || \
		{ echo "Either a hole is named above, or the registry did not answer for all packages: then ask again where"; \
		  echo "it does. The holes known when this was written are looked for by tests/test_constraints.py."; exit 1; }

clean: ## Remove the .venv and every cache.
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Asking for the version first turns a wall of resolver errors on an old Python into one sentence.
.venv/bin/python:
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "CAMscope needs Python 3.11 or newer: make PYTHON=python3.12 ..."; exit 1; }
	"$(PYTHON)" -m venv .venv

# The stamps are renewed only when the pinned lists change. `-m pip` because the scripts' first lines cannot hold spaces.
.venv/installed: requirements.txt constraints.txt | .venv/bin/python
	"$(BIN)/python" -m pip install -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	"$(BIN)/python" -m pip install -r requirements-dev.txt
	@touch $@

.venv/audit/installed: requirements-audit.txt constraints.txt | .venv/bin/python
	"$(BIN)/python" -m venv .venv/audit
	".venv/audit/bin/python" -m pip install -r requirements-audit.txt
	@touch $@
