# Two commands: `make train` and `make test`. Each makes .venv first if it is not there.

# The newest Python that the pins know, of those that run and can make an environment. (A version manager's
# shim is found but may not run; a distribution's Python may lack ensurepip.)
PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null \
	&& echo $$name && break; done)
CONFIG ?= configs/resemotenet.py
ARGS ?=
# One test process a core, not more than 8.
WORKERS ?= -n auto --maxprocesses=8 --dist=loadfile
VENV := .venv
BIN := $(VENV)/bin

# Which build of jax this machine wants: a working NVIDIA driver, a TPU's device files, or the CPU.
ACCELERATOR ?= $(shell if nvidia-smi -L >/dev/null 2>&1; then echo cuda; \
	elif ls /dev/accel* /dev/vfio/[0-9]* >/dev/null 2>&1; then echo tpu; else echo cpu; fi)
JAX_cuda := jax[cuda13]
JAX_tpu := jax[tpu]
JAX_cpu := jax

.PHONY: train test test-all test-fast lint docs notebooks bench bench-gpu lock clean

train: $(VENV)/.train
	$(BIN)/python -m ferjax.main --config=$(CONFIG) $(ARGS)

test: lint
	$(BIN)/python -m pytest $(WORKERS) -m "not relative"

# Also the slow tests of every member of a family of networks; all compiled as for training.
test-all: export JAX_DISABLE_MOST_OPTIMIZATIONS = 0
test-all: lint
	$(BIN)/python -m pytest $(WORKERS)

test-fast: $(VENV)/.dev
	$(BIN)/python -m pytest $(WORKERS) -m "not slow"

# Every network beside PyTorch on the device at hand: benchmarks/results/suite.jsonl and docs/benchmarks.md.
bench: $(VENV)/.dev
	$(BIN)/python -m benchmarks.suite $(ARGS)

# The same, and the paper's whole schedule, 80 epochs of FER2013's size: what is to be measured on a GPU.
bench-gpu: bench
	$(BIN)/python -m benchmarks.fer2013_schedule

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright

# The documentation's site, into site/; a link or an anchor that leads nowhere ends it.
docs: $(VENV)/.docs
	$(BIN)/python docs/make_commands_page.py
	$(BIN)/mkdocs build --strict
	@echo "open site/index.html, or with search: $(BIN)/python -m http.server --directory site"

# Executes the notebooks of the documentation and keeps what they give.
notebooks: $(VENV)/.dev
	$(BIN)/python docs/run_notebooks.py

$(VENV)/.python:
	@test -n "$(PYTHON)" || { echo "ferjax needs Python 3.11 to 3.14; set PYTHON=…"; exit 2; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	touch $@

$(VENV)/.train: $(VENV)/.python requirements.txt pyproject.toml
	$(BIN)/pip install --quiet -r requirements.txt "$(JAX_$(ACCELERATOR))" -c requirements.txt
	$(BIN)/pip install --quiet --no-deps -e .
	touch $@

$(VENV)/.dev: $(VENV)/.train requirements-dev.txt requirements-dev-no-deps.txt
	$(BIN)/pip install --quiet -r requirements-dev.txt -c requirements.txt
	$(BIN)/pip install --quiet --no-deps -r requirements-dev-no-deps.txt
	touch $@

$(VENV)/.docs: $(VENV)/.train requirements-docs.txt
	$(BIN)/pip install --quiet -r requirements-docs.txt -c requirements.txt
	touch $@

# The pinned versions, for every Python from 3.11 on, from the ranges in pyproject.toml.
lock: $(VENV)/.dev
	$(BIN)/uv pip compile --universal --python-version 3.11 --no-annotate --no-header --quiet \
		pyproject.toml -o requirements.txt

clean:
	rm -rf $(VENV) build site *.egg-info
