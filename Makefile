# Two commands are all a newcomer needs: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
PYTHON ?= $(shell command -v python3.11 || echo python3)
CORES ?= 2
CORPORA ?= data
MINUTES ?= 40
KILLS ?= 200
# an export takes a seed only where one is given
SEED_GIVEN := $(filter-out undefined,$(origin SEED))
SEED ?= 0
BIN := .venv/bin
# Reaches the recipes through the environment, never as text of a shell command: a folder may be
# called anything.
export CORPORA_FOLDER := $(value CORPORA)
unexport CORPORA
export OUT_FOLDER := $(value OUT)
unexport OUT
export AUDIO_FOLDER := $(value AUDIO)
unexport AUDIO
OWN ?= config/own.yaml
ROOT = --config "corpora_root=$$($(BIN)/python -m after_ser quoted "$$CORPORA_FOLDER")"
# As many GPU jobs at once as there are GPUs; nothing on a machine without one.
GPUS = $$($(BIN)/python -m after_ser gpu-resources $(1))
PARALLEL := --numprocesses $(CORES) --no-loadscope-reorder
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES)

.PHONY: help plan bench backbone demo demo-full own test-own open open-full open-quick download fewshot test test-fast test-browser test-slurm test-faults soak lint refresh resume lock lock-bench export clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 14

.venv/installed: envs/requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -r envs/requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

demo: .venv/installed  ## the whole workflow on synthetic speech, no data or GPU needed (minutes)
	$(SNAKEMAKE)
	@$(BIN)/python -m after_ser report demo --cores $(CORES)

demo-full: .venv/installed  ## every arm, table and figure on synthetic speech (up to 90 minutes)
	$(SNAKEMAKE) --configfile config/demo-full.yaml
	@$(BIN)/python -m after_ser report demo-full --configfile config/demo-full.yaml --cores $(CORES)

open: .venv/installed  ## EmoDB, RAVDESS, CREMA-D: make open CORPORA=<folder with emodb, ravdess, cremad>
	@config=$$($(BIN)/python -m after_ser choose-preset config/open.yaml config/open-scratch.yaml); \
	$(SNAKEMAKE) --configfile $$config $(call GPUS,$$config) $(ROOT); \
	$(BIN)/python -m after_ser report $$(basename $$config .yaml) --configfile $$config \
	  $(ROOT) --cores $(CORES)

open-full: .venv/installed  ## every strategy, switch, objective and noise test on those corpora (about two hours)
	$(SNAKEMAKE) --configfile config/open-full.yaml $(call GPUS,config/open-full.yaml) $(ROOT)
	@$(BIN)/python -m after_ser report open-full --configfile config/open-full.yaml \
	  $(ROOT) --cores $(CORES)

open-quick: .venv/installed  ## two folds, one seed and few budgets of `make open` (under 10 minutes)
	$(SNAKEMAKE) --configfile config/open-quick.yaml $(call GPUS,config/open-quick.yaml) $(ROOT)
	@$(BIN)/python -m after_ser report open-quick --configfile config/open-quick.yaml \
	  $(ROOT) --cores $(CORES)

own: .venv/installed  ## label your own speech: make own AUDIO=<folder> [OWN=config/own.yaml] (docs/own.md)
	@$(BIN)/python -m after_ser own $(OWN) "$$AUDIO_FOLDER" --cores $(CORES) $(call GPUS,$(OWN))

backbone: .venv/installed  ## pre-train a compact wav2vec 2.0: make backbone CORPORA=<folder of speech>
	$(SNAKEMAKE) --configfile config/backbone.yaml $(call GPUS,config/backbone.yaml) $(ROOT)
	@$(BIN)/python -m after_ser report backbone --configfile config/backbone.yaml \
	  $(ROOT) --cores $(CORES)

download: .venv/installed  ## fetch the open corpora: make download CORPORA=<folder>
	$(BIN)/snakemake download --cores 1 $(ROOT)

fewshot: .venv/installed  ## pre-finetuning for few-shot: make fewshot CORPORA=<folder with ESD and the sources>
	$(SNAKEMAKE) --configfile config/fewshot.yaml $(call GPUS,config/fewshot.yaml) $(ROOT)
	@$(BIN)/python -m after_ser report fewshot --configfile config/fewshot.yaml \
	  $(ROOT) --cores $(CORES)

export: .venv/installed  ## write a trained model as a Hugging Face folder: make export RUN=name [ARM= DATASET= FOLD= SEED= ROUND= OUT=folder]
	@$(BIN)/python -m after_ser export --run "$(RUN)" $(if $(ARM),--arm "$(ARM)") \
	  $(if $(DATASET),--dataset "$(DATASET)") $(if $(FOLD),--fold "$(FOLD)") \
	  $(if $(SEED_GIVEN),--seed "$(SEED)") $(if $(ROUND),--round "$(ROUND)") \
	  $(if $(value OUT),--out "$$OUT_FOLDER")

test: .venv/installed  ## all tests (under 20 minutes)
	$(BIN)/python -m pytest $(PARALLEL)

test-fast: .venv/installed  ## the tests that run no workflow
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow"

test-browser: .venv/installed  ## the labelling page in a real browser (apt may need root; under 3 minutes)
	@{ command -v chromium || command -v chromium-browser || command -v google-chrome; } > /dev/null \
	  && command -v chromedriver > /dev/null || { \
	    apt-get update -qq; \
	    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	      chromium chromium-driver > /dev/null; }
	$(BIN)/python -m pytest tests/browser -m browser

test-own: .venv/installed  ## a run labelled by people (on EmoDB where AFTER_SER_TEST_DATA has it; under 5 minutes)
	$(BIN)/python -m pytest -m people tests/own

test-slurm: .venv/installed  ## the workflow on a Slurm of the tests' own (root; some 10 minutes)
	@for program in munged slurmctld slurmd slurmdbd mariadbd; do \
	  PATH="$$PATH:/usr/sbin" command -v $$program > /dev/null && continue; \
	  apt-get update -qq; \
	  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    slurm-wlm slurm-wlm-basic-plugins munge slurmdbd mariadb-server > /dev/null; \
	  break; \
	done
	$(BIN)/python -m pytest -m slurm tests/slurm

lint: .venv/installed  ## linters and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile rules
	$(BIN)/python -m after_ser config-docs --check
	for config in config/demo-full.yaml tests/config/own.yaml tests/config/fewshot.yaml; do \
	  $(BIN)/snakemake --lint --configfile $$config || exit 1; done

refresh: .venv/installed  ## check the corpora for changed audio or labels (ARGS='--configfile ...')
	$(SNAKEMAKE) $(ARGS) -R index_corpus --until index_corpus
	$(SNAKEMAKE) $(ARGS)

lock: .venv/installed  ## remake the pinned environment from envs/requirements.in
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet -r envs/requirements.in
	build/lock/bin/pip freeze --all | grep -viE '^(pip|after[-_]ser)\b' > envs/requirements.txt

lock-bench: .venv/installed  ## remake the pinned packages of make bench
	$(PYTHON) -m venv build/lock
	build/lock/bin/pip install --quiet -r envs/requirements.txt
	build/lock/bin/pip install --quiet -c envs/requirements.txt -r envs/requirements-bench.in
	build/lock/bin/pip freeze --all | grep -viE '^(pip|after[-_]ser)\b' | \
	  grep -vxFf envs/requirements.txt > envs/requirements-bench.txt

resume: .venv/installed  ## continue an interrupted run: make resume [RUN=name] [ARGS='--configfile ...']
	@$(BIN)/python -m after_ser resume $(if $(RUN),--run $(RUN)) $(ARGS)

test-faults: .venv/installed  ## kill jobs, fill the disk, cut files, then resume (under 10 minutes)
	$(BIN)/python -m pytest tests/faults -m faults

soak: .venv/installed  ## random kills for MINUTES minutes: make soak [MINUTES=40] [KILLS=200] [SEED=0]
	$(BIN)/python tests/faults/soak.py --minutes $(MINUTES) --kills $(KILLS) --seed $(SEED)

.venv/bench: .venv/installed envs/requirements-bench.txt
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r envs/requirements-bench.txt
	touch $@

bench: .venv/bench  ## speed compared with common alternatives, an hour: make bench [CORPORA=<folder>] [ARGS=--quick]
	@if [ -d "$$CORPORA_FOLDER" ]; then set -- --data "$$CORPORA_FOLDER"; fi; \
	$(BIN)/python benchmarks/run.py "$$@" $(ARGS)

plan: .venv/installed  ## what a run will cost, or did cost: make plan CONFIG=config/paper.yaml [GPUS=n] [CORES=n]
	@$(BIN)/python -m after_ser plan $(or $(CONFIG),config/config.yaml) --cores $(CORES) \
	  $(if $(filter command%,$(origin GPUS)),--gpus $(GPUS))

clean:  ## remove what the demo made
	rm -rf results/demo results/demo-full results/corpora/synthetic-*
