# make setup   a virtual environment with StereoJAX in it
# make demo    renders a short synthetic film and converts it (VIDEO=film.mkv converts that)
# make test    what CI runs: lint, format, tests (test-all: also the slow ones)
# make aot     compiles the splat, and SVD's networks, for a GPU and a TPU that need not be
#              there
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

# The backends' compilers without their drivers and libraries.
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
