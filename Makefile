# Verbs of the project; each makes its environment first if it has to.
SHELL := /bin/bash
VENV ?= .venv
PY := $(VENV)/bin/python
PYTHON ?= python3
# Where there is no GPU the CPU build of torch is taken if pip finds it; TORCH_ARGS may name an index that has it.
TORCH := 2.13.0
TORCH_ARGS ?=
RUNS ?= runs
DATA ?=
IMAGES ?=
CHECKPOINT ?=
FEATURES ?=
PAPER ?=
ARGS ?=

# Several verbs share what they make, such as the captioner that all stories start from.
.NOTPARALLEL:
.PHONY: help install test test-slow lint bench demo data features scorer ce scst clean \
  uniter rosita vilbert lxmert clip all-scorers matrix calibrate lm taxonomy pictures similarity

help:  ## show the verbs
	@grep -hE '^[a-z$$()A-Z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^\$$\(PROBED\)/uniter .. clip/; s/:[^#]*## /\t/' | expand -t 14

install: $(VENV)/.installed  ## make the virtual environment

$(VENV)/.installed: setup.cfg pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))" || \
	  { echo "error: $(PYTHON) is not Python 3.11 or 3.12; give one: make PYTHON=python3.11 ..." >&2; exit 2; }
	$(PYTHON) -m venv $(VENV)
	if command -v nvidia-smi >/dev/null; then $(VENV)/bin/pip install --quiet $(TORCH_ARGS) torch==$(TORCH); \
	else $(VENV)/bin/pip install --quiet $(TORCH_ARGS) torch==$(TORCH)+cpu 2>/dev/null || \
	  $(VENV)/bin/pip install --quiet $(TORCH_ARGS) torch==$(TORCH); fi
	$(VENV)/bin/pip install --quiet --editable '.[dev]'
	$(PY) -m probing_vlp.torchvision_cpu
	touch $@

test: install lint  ## lint, then every test but the slow ones
	$(PY) -m pytest $(ARGS)

test-slow: install  ## the tests that take minutes
	$(PY) -m pytest -m slow $(ARGS)

lint: install  ## ruff and mypy
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

demo: install  ## CE, SCST with mini-clip, dumps of both and the report that compares them; under ten minutes on two cores
	$(PY) probe.py demo --out $(RUNS)/demo $(if $(IMAGES),--images $(IMAGES)) $(ARGS)

bench: install  ## speed of the scorers; and beside a peer: make bench PEER=path/to/self-critical.pytorch
	$(if $(PEER),$(PY) -m bench --peer $(PEER) $(ARGS),$(PY) -m bench.scorers $(ARGS))
	$(if $(PEER),$(PY) -m bench.scorers $(filter --quick,$(ARGS)))

data: install  ## download COCO 2014 and the Karpathy split into data/coco
	$(PY) probe.py data $(ARGS)

features: install  ## ResNet-101 features of COCO, as in the paper
	$(PY) probe.py features --config configs/features.yaml $(ARGS)

scorer: install  ## train the small contrastive scorer on the embedded data
	$(PY) train.py scorer --config configs/mini-clip.yaml $(ARGS)

ce: install  ## the paper's cross-entropy training, on COCO
	$(PY) train.py ce --config configs/ce.yaml $(ARGS)

scst: install  ## the paper's self-critical training, on COCO: make scst ARGS="--seed 2"
	$(PY) train.py scst --config configs/scst.yaml $(ARGS)

PROBED := uniter rosita vilbert lxmert clip
STORY = --out $(RUNS) $(if $(DATA),--source $(DATA)) $(if $(IMAGES),--images $(IMAGES)) $(if $(PAPER),$(AS_PAPER))
AS_PAPER := --ce configs/ce.yaml --scst configs/scst.yaml --features data/coco/features-resnet101

$(PROBED): install  ## the probe of that scorer; CHECKPOINT= and FEATURES= name published weights and region features, else a mini one is trained; PAPER=1 trains the captioner as the paper does
	$(PY) probe.py story --scorer $@ $(STORY) $(if $(CHECKPOINT),--checkpoint $(CHECKPOINT)) $(if $(FEATURES),--regions $(FEATURES)) $(ARGS)

all-scorers: $(PROBED)  ## the five of them, one after the other

matrix: install  ## every captioner under every scorer, after all-scorers
	$(PY) probe.py matrix --out $(RUNS) $(if $(IMAGES),--images $(IMAGES)) $(ARGS)

calibrate: install  ## train on five scorers with a planted flaw each, two seeds; are the flaws, and only they, named?
	$(PY) probe.py calibrate --out $(RUNS)/calibrate $(ARGS)

lm: install $(RUNS)/lm/knowledge.json  ## a small language model from text alone, minutes on two cores

$(RUNS)/lm/knowledge.json: | install
	$(PY) train.py lm --config configs/lm.yaml --out $(RUNS)/lm --resume $(if $(DATA),--without $(DATA))

taxonomy: pictures lm  ## does a frozen language model carry hypernyms over to what it is shown? needs DATA= and IMAGES=
	$(PY) probe.py taxonomy run --config configs/taxonomy.yaml --images $(DATA) --photographs $(IMAGES) --lm $(RUNS)/lm --out $(RUNS)/taxonomy $(ARGS)
	$(PY) probe.py taxonomy report $(RUNS)/taxonomy

pictures:
	@test -n "$(DATA)" -a -n "$(IMAGES)" || { echo "error: photographs and their captions are needed: make taxonomy \
	DATA=CAPTIONS IMAGES=FOLDER" >&2; exit 2; }

$(RUNS)/lm-short/knowledge.json: | install
	$(PY) train.py lm --config configs/lm-short.yaml --out $(RUNS)/lm-short --resume

similarity: install $(RUNS)/lm-short/knowledge.json  ## do representations of words mirror human experience?
	$(PY) probe.py similarity run --config configs/similarity.yaml --models.small-lm $(RUNS)/lm-short --out $(RUNS)/similarity $(ARGS)

clean:  ## delete the virtual environment and the demo's run
	rm -rf $(VENV) $(RUNS)/demo
