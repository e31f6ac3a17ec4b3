# `make help` lists the commands. Every command sets the environment up first.
.DEFAULT_GOAL := help
.PHONY: help setup train test eval export serve lint format docs docs-serve requirements sample-trees \
	bench-train bench-prepare bench-evaluate bench-infer bench-serve bench-peers bench clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | sort | expand -t 16

setup: $(READY) ## create .venv with the exact versions of requirements.txt

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one with make PYTHON=…")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	touch $@

train: $(READY) ## fetch ImageNet weights and train on the embedded sample; args="data=folder data.root=…" for more
	scripts/download_weights.sh mobilenetv2
	$(BIN)/python src/train.py experiment=quickstart $(args)

eval: $(READY) ## evaluate a checkpoint or run folder: make eval ckpt=outputs/train/…
	@test -n "$(ckpt)" || { echo "error: name a checkpoint or a run folder: make eval ckpt=outputs/train/…" >&2; exit 2; }
	$(BIN)/python src/evaluate.py ckpt="$(ckpt)" $(args)

export: $(READY) ## write the one file that ships: make export ckpt=outputs/train/… args="quantize=int8"
	@test -n "$(ckpt)" || { echo "error: name a checkpoint or a run folder: make export ckpt=outputs/train/…" >&2; exit 2; }
	$(BIN)/python src/export.py ckpt="$(ckpt)" $(args)

serve: $(READY) ## REST API and web page on port 8000: make serve model=detector.onnx
	$(if $(model),FAKEDET_MODEL="$(model)") $(BIN)/python -m fakedet.serve $(args)

test: $(READY) ## run the tests
	$(BIN)/python -m pytest $(args)

lint: $(READY) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY) ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Without it every build tells of the theme's successor.
docs docs-serve: export NO_MKDOCS_2_WARNING := 1

docs: $(READY) ## build the documentation into outputs/site; a warning is an error
	$(BIN)/mkdocs build --strict

docs-serve: $(READY) ## show the documentation on http://127.0.0.1:8001 while it is written
	$(BIN)/mkdocs serve --dev-addr 127.0.0.1:8001

requirements: $(READY) ## compile requirements.txt from pyproject.toml anew, with the newest versions
	$(BIN)/uv pip compile --quiet --upgrade pyproject.toml --extra dev --universal --python-version 3.11 --no-header --no-annotate --no-emit-index-url -o requirements.txt

bench-train: $(READY) ## train.py's loop against a bare PyTorch loop, and how long it waits for data
	$(BIN)/python scripts/bench_train.py $(args)

bench-prepare: $(READY) ## crops from videos against a loop that only decodes and finds faces: args=/folder/with/videos
	$(BIN)/python scripts/bench_prepare.py $(args)

bench-evaluate: $(READY) ## time and memory of the bootstrap; args=--coverage: how often its intervals hold
	$(BIN)/python scripts/bench_evaluate.py $(args)

bench-infer: $(READY) ## the shipped file against PyTorch, and a picture's way from bytes to verdict, by stage
	$(BIN)/python scripts/bench_infer.py $(args)

bench-serve: $(READY) ## the service at 8 and 32 clients against the same pipeline in process
	$(BIN)/python scripts/bench_serve.py $(args)

bench-peers: $(READY) ## the shipped detector beside published ones: args="/pictures --limit 400"
	$(BIN)/python scripts/bench_peers.py $(args)

bench: $(READY) ## all benches and outputs/bench/index.html: args="videos=/… pictures=/…"; args=--help lists more
	$(BIN)/python scripts/bench_all.py $(args)

sample-trees: $(READY) ## miniature downloads of every data set, to try the commands on: dir=… names the folder
	$(BIN)/python scripts/sample_trees.py $(or $(dir),outputs/sample-trees)

clean: ## remove what runs left behind
	find outputs logs -mindepth 1 ! -name .gitkeep -delete
