# Everything a newcomer or CI runs. `make demo` and `make test` set themselves up.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help setup demo test test-slow test-hdfs test-versions test-newest test-oldest lock lint types check docs dist dist-check screenshots bench bench-small bench-peers chaos sim-faults fuzz clean

help:            ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14

setup: $(STAMP)  ## make .venv with mrmesos and the developers' tools in it

# The versions that were tested, and no others: constraints.txt, which `make lock` writes.
$(STAMP): pyproject.toml packages/http-parser/pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt \
	  ./packages/http-parser --editable . --group dev
	$(BIN)/python -m compileall -q mrmesos
	touch $@

demo: setup      ## the main job: words of the standard library's sources, checked against Counter
	$(BIN)/python examples/wordcount/demo.py

# Tests of two files run at once: half of them wait for processes. A file's tests stay together, as
# they share what they start.
WORKERS ?= 2
PARALLEL = -n $(WORKERS) --dist loadfile

test: setup      ## the tests that take minutes, not the slow ones; WORKERS=2 at once
	$(BIN)/python -m pytest -q $(PARALLEL) -m "not slow and not hdfs" --durations 10

test-slow: setup ## the slow ones; WORKERS=2 at once
	$(BIN)/python -m pytest -q $(PARALLEL) -m "slow and not hdfs" --durations 10

test-hdfs: setup ## those over a real HDFS, which Maven fetches once (docs/hdfs.md); skipped without Java
	$(BIN)/python -m pytest -q -m hdfs --timeout 900 -o cache_dir=.pytest_cache/hdfs --durations 10 tests/hdfs

# The site and a release are built in environments of their own.
.venv-%/.installed: pyproject.toml packages/http-parser/pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/python -m pip install --quiet --constraint constraints.txt pip
	.venv-$*/bin/python -m pip install --quiet --constraint constraints.txt --build-constraint constraints.txt \
	  ./packages/http-parser --editable . --group $*
	touch $@

docs: .venv-docs/.installed  ## the site in build/site; a dead link fails it
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict

dist: .venv-release/.installed  ## wheels, wheelhouse, mrmesos.pex, SBOM and hashes in dist/; the same commit gives the same bytes
	.venv-release/bin/hadolint release/Containerfile
	.venv-release/bin/python release/dist.py

dist-check: dist  ## dist twice with the same bytes; an install from the wheelhouse, and the pex on a bare Python
	release/check_dist.sh

UV := .venv-uv/bin/uv

$(UV):
	$(PYTHON) -m venv .venv-uv
	.venv-uv/bin/python -m pip install --quiet uv

lock: $(UV)      ## take the newest versions into uv.lock and constraints.txt; run the tests before you commit them
	$(UV) lock --upgrade
	$(UV) export --quiet --no-header --format requirements-txt --no-hashes --no-annotate --all-groups --all-extras \
	  --no-emit-local --output-file constraints.txt

# Both in environments of their own, beside .venv.
test-versions: test-newest test-oldest  ## the tests with the newest and with the oldest versions that pyproject.toml allows

test-newest: RESOLUTION = highest
test-oldest: RESOLUTION = lowest-direct
test-newest test-oldest: test-%: $(UV)
	$(UV) venv --quiet --clear --python $(PYTHON) .venv-$*
	$(UV) pip install --quiet --python .venv-$*/bin/python --resolution $(RESOLUTION) \
	  ./packages/http-parser --editable . --group dev
	.venv-$*/bin/python -m pytest -q $(PARALLEL) -m "not slow and not hdfs" --durations 10

SHOTS ?= /tmp/mrmesos-screenshots

screenshots: setup  ## pictures of the web pages in SHOTS, to look at (DOCS=docs/img: for the docs, too); needs chromium and chromium-driver
	$(BIN)/python -m tests.jobtracker.pages.screenshots $(SHOTS) $(DOCS)
	@ls $(SHOTS)

MINUTES ?= 30
SEED    ?= 1

chaos: setup     ## jobs while everything fails, for MINUTES=30 with SEED=1 (docs/chaos.md)
	$(BIN)/python -m tests.chaos --minutes $(MINUTES) --seed $(SEED) --zookeeper

fuzz: setup      ## MESSAGES=100000 random messages to every process, with SEED=1 (docs/security.md)
	$(BIN)/python -m tests.fuzz --seed $(SEED) --messages $(or $(MESSAGES),100000)

RUNS    ?= 20000

sim-faults: setup  ## 20,000 random histories of the core with faults, and 5,000 each of two more kinds; RUNS=n for fewer
	$(BIN)/mrmesos simulate --faults --seed $(SEED) --runs $(RUNS)
	$(BIN)/mrmesos simulate --faults --seed $(SEED) --world one-job --runs $$(( ($(RUNS) + 3) / 4 ))
	$(BIN)/mrmesos simulate --faults --seed $(SEED) --world unheard --runs $$(( ($(RUNS) + 3) / 4 ))

lint: setup      ## ruff: rules and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup     ## mypy, strict
	$(BIN)/mypy

check: lint types test  ## lint, types and tests

PEERS := benchmarks/.venv-peers

bench: setup bench-peers  ## 1 GB a workload beside the peers; rewrites docs/performance.md
	$(BIN)/python -m benchmarks.run --size full
	$(BIN)/python -m benchmarks.report

bench-small: setup bench-peers  ## the same on 30 MB; tables on the terminal
	$(BIN)/python -m benchmarks.run --size small
	$(BIN)/python -m benchmarks.report --print

bench-peers: $(PEERS)/.installed  ## what the benchmarks compare with, in benchmarks/.venv-peers

# One by one, so that a package that does not install here leaves the others alone.
$(PEERS)/.installed: benchmarks/peers-requirements.txt
	$(PYTHON) -m venv $(PEERS)
	grep -v '^#' $< | while read -r packages; do \
	  $(PEERS)/bin/python -m pip install --quiet $$packages || echo "left out: $$packages"; done
	touch $@

clean:           ## remove what make made
	rm -rf $(VENV) .venv-* build dist .mypy_cache .ruff_cache .pytest_cache demo-output
	rm -rf $(PEERS) benchmarks/data benchmarks/results benchmarks/work
