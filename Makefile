# make setup   creates a virtual environment with StereoJAX installed
# make demo    converts a short synthetic film that it renders, or VIDEO=film.mkv
# make test    runs what CI runs: lint, format check, tests (test-all: slow tests too)
# make aot     compiles the splat and SVD's networks for a GPU and a TPU, without devices
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do command -v $$p && break; done)
VENV ?= .venv
BIN := $(VENV)/bin
VIDEO ?=

.PHONY: setup demo test test-all lint format aot clean

setup: $(VENV)/.installed

$(VENV)/.installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e .
	touch $@

$(VENV)/.test-installed: $(VENV)/.installed
	$(BIN)/pip install -q --disable-pip-version-check -e '.[test]'
	touch $@

demo: setup
	$(BIN)/python -m stereojax.demo $(if $(VIDEO),--video '$(VIDEO)')

lint: $(VENV)/.test-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

test-all: lint
	$(BIN)/python -m pytest

# Installs the backends' compilers only, without drivers and libraries.
aot: setup
	version=$$($(BIN)/python -c 'import jax; print(jax.__version__)'); \
	$(BIN)/pip install -q --no-deps jax-cuda13-plugin==$$version jax-cuda13-pjrt==$$version
	$(BIN)/pip install -q --no-deps libtpu
	JAX_PLATFORMS=cpu $(BIN)/python -m benchmarks.aot.splat
	JAX_PLATFORMS=cpu $(BIN)/python -m benchmarks.aot.svd

format: $(VENV)/.test-installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build *.egg-info
