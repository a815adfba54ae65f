# Everything sets itself up: a fresh clone needs Python 3.10 or 3.11, nothing else.
#   make search    the main job: a real search on NNI with embedded data, about eight minutes on 2 cores after the installation
#   make test      linters and the test suite, about five minutes on 2 cores after the installation
SHELL := /bin/bash
VENV ?= .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
STUDY ?= experiments/ednas.yml

.PHONY: help search test claims-smoke test-all quick-tests all-tests lint format image check-wheel references screenshots clean

help:
	@echo "make search       a whole search on NNI: STUDY=$(STUDY)"
	@echo "make test         lint and the test suite"
	@echo "make test-all     with the slow tests, real trainings and the reuse matrix of docs/reuse.md"
	@echo "make claims-smoke two steps of every script of benchmarks/claims"
	@echo "make check-wheel  build the wheel, install it in a clean environment, search with it"
	@echo "make image        a container with EDNAS and an SSH server, as a machine of a search (docs/machines.md)"
	@echo "make references   train the shipped single-task baselines of delta_t again, with lambda of the depth loss"
	@echo "make screenshots  pictures of NNI's web UI (needs chromium)"
	@echo "make format       format the code"

$(READY): setup.py constraints.txt pyproject.toml
	./tools/environment.sh $(VENV)
	@touch $@

search: $(READY)
	$(BIN)/ednas search $(STUDY)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/mypy

# One process a core; all tests of a file run in one of them, because they share fixtures. Files come in the order of
# tests/conftest.py, the longest first. The linters run beside them: a real experiment is mostly waited for.
PYTEST := $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder
BESIDE := $(MAKE) --no-print-directory --jobs 2 lint

test: $(READY)
	$(BESIDE) quick-tests

test-all: $(READY)
	$(BESIDE) all-tests
	$(BIN)/python benchmarks/reuse_matrix.py

quick-tests: $(READY)
	$(PYTEST) -m "not slow"

all-tests: $(READY)
	$(PYTEST)

# Two steps of every script of benchmarks/claims/PROTOCOL.md, to see that it still runs.
claims-smoke: $(READY)
	$(BIN)/python benchmarks/claims/depth_losses.py --world rooms --smoke
	$(BIN)/python benchmarks/claims/depth_loss_ranks.py --world rooms --smoke
	$(BIN)/python benchmarks/claims/transfer_table.py --world rooms --smoke
	$(BIN)/python benchmarks/claims/transfer_searches.py --world rooms --smoke
	$(BIN)/python benchmarks/claims/prior_networks.py --world rooms --smoke
	$(BIN)/python benchmarks/claims/found_networks.py --world rooms --smoke

image:
	docker build --tag ednas .

check-wheel: $(READY)
	./tools/check_wheel.sh $(BIN)/python

# lambda first, measured anew each time: the baselines are trained with it. Baselines that fit are not trained again.
SHIPPED := ednas_nni/baselines/shipped
LAMBDAS := ednas_nni/baselines/lambdas.json
references: $(READY)
	$(BIN)/ednas data lambda experiments/separate.yml --out $(LAMBDAS)
	$(BIN)/ednas data lambda experiments/streets.yml --out $(LAMBDAS)
	$(BIN)/ednas data lambda experiments/streets.yml --set data.depth=metric --out $(LAMBDAS)
	$(BIN)/ednas reference experiments/separate.yml --out $(SHIPPED)/rooms.json
	$(BIN)/ednas reference experiments/separate.yml --set space=compound --set reference=mobilenet_v2_050 --out $(SHIPPED)/rooms_compound.json
	$(BIN)/ednas reference experiments/streets.yml --out $(SHIPPED)/streets.json

screenshots: $(READY)
	$(BIN)/python tools/screenshots.py

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) build dist *.egg-info
