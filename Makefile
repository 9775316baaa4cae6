# `make demo` and `make test` need Python 3.11 or newer and nothing else: each sets up what is missing.

PYTHON ?= python3
VENV := .venv
TORCH_VENV := .venv-torch
# The newest pair of the registry whose torchaudio imports with its torch, and the torchcodec of that
# torch, without which coqui-tts does not import; they run without a GPU too.
TORCH := torch==2.11.0 torchaudio==2.11.0 "torchcodec==0.11.*"
PIP_INSTALL := -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

.PHONY: help
help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: models ## Run a session on a sample; the spoken replies go to demo/replies.wav
	@mkdir -p demo
	$(VENV)/bin/voicemed session --input audio_samples/assistant_questions.wav --output demo/replies.wav

.PHONY: test
test: models ## Run the tests, but for those of the torch engines
	$(VENV)/bin/python -m pytest -m "not torch"

.PHONY: test-torch
test-torch: models $(TORCH_VENV)/.installed ## Run the tests of the torch engines (5 GB of packages)
	$(TORCH_VENV)/bin/python -m pytest -m torch

.PHONY: lint
lint: $(VENV)/.installed-dev ## Check style and types
	$(VENV)/bin/ruff check
	$(VENV)/bin/ruff format --check
	$(VENV)/bin/mypy

.PHONY: bench
bench: models ## Measure speed and latency (takes minutes; a quiet machine)
	@set -e; for script in benchmarks/[!_]*.py; do echo "== $$script"; $(VENV)/bin/python $$script; done

.PHONY: samples
samples: models ## Make audio_samples/ again
	$(VENV)/bin/python audio_samples/make_samples.py

# The texts that the annotations in models/annotations are of; not part of this repository.
DATA ?= ../shared/data

.PHONY: heads
heads: models $(VENV)/.installed-train ## Train the symptom classifier again (needs the development data)
	rm -rf build/annotations
	$(VENV)/bin/python models/annotations/texts.py $(DATA) build/annotations
	$(VENV)/bin/voicemed train $(DATA)/primock57 $(DATA)/osce build/annotations/* \
		models/annotations/written --scratch --output voicemed/data/symptoms.safetensors

.PHONY: install
install: $(VENV)/.installed ## Install into .venv

# pull itself is the check whether anything is to do: it reads the weights in half a second.
.PHONY: models
models: $(VENV)/.installed ## Fetch the default models into models/
	@$(VENV)/bin/voicemed models pull

.PHONY: clean
clean: ## Remove environments, caches and the demo's output; fetched models stay
	rm -rf $(VENV) $(TORCH_VENV) demo build dist *.egg-info
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis

# The stamps stand for "installed as pyproject.toml asks".
$(VENV)/.installed: pyproject.toml | $(VENV)/bin/python
	$(VENV)/bin/python $(PIP_INSTALL) --editable '.[test]'
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(VENV)/bin/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@

$(VENV)/.installed-train: $(VENV)/.installed
	$(VENV)/bin/python $(PIP_INSTALL) --editable '.[train]'
	@touch $@

$(TORCH_VENV)/.installed: pyproject.toml | $(TORCH_VENV)/bin/python
	$(TORCH_VENV)/bin/python $(PIP_INSTALL) $(TORCH) --editable '.[gpu,coqui,test]'
	@touch $@

$(VENV)/bin/python $(TORCH_VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "$(PYTHON) is not Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; \
		  exit 1; }
	$(PYTHON) -m venv $(@D:/bin=)
