# One door to everything; `make help` lists it.
.DEFAULT_GOAL := help
PYTHON ?= python3
unexport PYTHONDONTWRITEBYTECODE  # what is installed is compiled where it is first imported
BIN := .venv/bin
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
# What is locked is installed without resolving: by uv in a third of pip's time, by pip where uv does not reach PyPI.
LOCKED := --no-deps --require-hashes -r
install_locked = { $(BIN)/uv pip install --quiet $(LOCKED) $(1) || $(PIP) install $(LOCKED) $(1); }
# What is installed, by who needs it: the service, who develops, who compares with other packages.
SERVICE := .venv/.service
READY := .venv/.ready
BENCH_READY := .venv/.bench-ready
INTEGRATIONS := .venv-integrations
INTEGRATIONS_READY := $(INTEGRATIONS)/.ready
PROJECT := pyproject.toml service/pyproject.toml service/setup.py

$(SERVICE): $(PROJECT) constraints.txt requirements/service.txt requirements/datasets.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "installing into .venv (seconds to a minute the first time)"
	@$(PIP) install --no-deps -c constraints.txt uv
	@$(PIP) install --no-deps --no-compile -c constraints.txt torch & torch=$$!; \
	$(call install_locked,requirements/service.txt) && \
	$(PIP) install --no-deps --no-build-isolation -e . -e ./service && \
	$(PIP) install $(LOCKED) requirements/datasets.txt --no-build-isolation --use-pep517 && wait $$torch
	@touch $@

$(READY): $(SERVICE) requirements/dev.txt
	@echo "installing what tests and checks need into .venv"
	@$(call install_locked,requirements/dev.txt)
	@touch $@

$(BENCH_READY): $(READY) requirements/bench.txt requirements/finders.txt
	@echo "installing other packages' finders and optimizers into .venv"
	@$(call install_locked,requirements/bench.txt)
	@$(PIP) install $(LOCKED) requirements/finders.txt --no-build-isolation --use-pep517
	@touch $@

# Frameworks bring much, and what they bring shall not stand beside what is tested without them.
$(INTEGRATIONS_READY): $(READY) requirements/integrations.txt requirements/bench.txt requirements/finders.txt
	@test -x $(INTEGRATIONS)/bin/python || $(PYTHON) -m venv $(INTEGRATIONS)
	@echo "installing the frameworks of clr_tuner.integrations into $(INTEGRATIONS)"
	@$(INTEGRATIONS)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps -c constraints.txt torch & torch=$$!; \
	locked="-r requirements/service.txt -r requirements/dev.txt -r requirements/bench.txt -r requirements/integrations.txt"; \
	{ $(BIN)/uv pip install --quiet --python $(INTEGRATIONS)/bin/python --no-deps --require-hashes $$locked || \
	$(INTEGRATIONS)/bin/python -m pip install --quiet --no-deps --require-hashes $$locked; } && wait $$torch && \
	$(INTEGRATIONS)/bin/python -m pip install --quiet --no-deps --no-build-isolation -e . -e ./service && \
	$(INTEGRATIONS)/bin/python -m pip install --quiet $(LOCKED) requirements/datasets.txt --no-build-isolation --use-pep517 && \
	$(INTEGRATIONS)/bin/python -m pip install --quiet $(LOCKED) requirements/finders.txt --no-build-isolation --use-pep517
	@touch $@

setup: $(READY) ## install everything into .venv

demo: $(SERVICE) ## run one range test on real data through the whole service
	@$(BIN)/clr-tuner demo

serve: $(SERVICE) ## keep the embedded service running on CLR_PORT (default 8000)
	@$(BIN)/clr-tuner serve

migrate: $(SERVICE) ## bring the database of CLR_DATABASE_URL to the newest schema
	@$(BIN)/clr-tuner migrate

test: $(READY) ## every test, against real SQLite, Postgres and Valkey
	@$(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

fuzz: $(READY) ## ask a real service everything that its OpenAPI document allows, and more
	@$(BIN)/python -m tests.fuzz

test-integrations: $(INTEGRATIONS_READY) ## adapters against the real frameworks, in an environment of their own
	@$(INTEGRATIONS)/bin/python -m pytest tests/clr_tuner/integrations

chaos: $(READY) ## the fault contract: kill everything and see that nothing is lost
	@$(BIN)/python -m pytest -s -m chaos tests/chaos --ignore tests/chaos/test_soak.py

soak: $(READY) ## 200 small jobs through one service: nothing lost, nothing grows
	@$(BIN)/python -m pytest -s -m chaos tests/chaos/test_soak.py

AXE := .venv/axe-core-4.14.1.tgz
$(AXE):
	@npm pack --silent --pack-destination .venv axe-core@4.14.1 >/dev/null

test-browser: $(READY) $(AXE) ## the web page in Debian's chromium (CLR_CHROMIUM, or found on PATH)
	@$(BIN)/python -m pytest -m browser tests/browser

check: $(READY) ## format, lint, types, import rules, images, manifests
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@$(BIN)/hadolint Dockerfile
	@$(BIN)/docker-compose --profile gpu config --quiet --no-interpolate
	@$(BIN)/kubernetes-validate --strict --quiet $(filter-out %/kustomization.yaml,$(wildcard deploy/kubernetes/*.yaml))

audit: $(READY) ## known vulnerabilities of what is locked; asks PyPI's JSON API
	@for list in api service datasets dev bench integrations; do $(BIN)/uv tool run --from pip-audit==2.10.1 pip-audit --strict \
	--vulnerability-service pypi --no-deps --disable-pip -r requirements/$$list.txt || exit 1; done

format: $(READY) ## rewrite the sources in house format
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: $(READY) ## print the benchmark tables
	@for table in bounds engine recording curves queueing writes load growth latency splitting; do $(BIN)/python -m benchmarks.$$table || exit 1; done

evidence: $(READY) ## the paper's claims, measured again: docs/evidence.md (most of an hour)
	@$(BIN)/python -m benchmarks.evidence

speed: $(BENCH_READY) ## ms a step of a sweep: ours, by hand and other packages' (minutes)
	@$(BIN)/python -m benchmarks.speed

quality: $(BENCH_READY) ## how good the recommended bounds are (long; goes on where it stopped)
	@$(BIN)/python -m benchmarks.quality

rivals: $(BENCH_READY) ## our bounds against optimizers that ask for no tuning (an hour; goes on where it stopped)
	@$(BIN)/python -m benchmarks.rivals

# With UPGRADE=--upgrade the newest versions that pyproject.toml allows.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --no-annotate --custom-compile-command 'make lock'
lock: $(READY) ## what is installed, written anew: constraints.txt and requirements/*.txt
	@$(LOCK) $(UPGRADE) --all-extras pyproject.toml --output-file constraints.txt
	@$(LOCK) --generate-hashes -c constraints.txt --no-emit-package torch --extra service --extra worker \
	pyproject.toml --output-file requirements/service.txt
	@echo setuptools | $(LOCK) --generate-hashes -c constraints.txt --extra service \
	pyproject.toml - --output-file requirements/api.txt
	@for extra in dev bench integrations; do $(LOCK) --generate-hashes -c constraints.txt --no-emit-package torch \
	--extra $$extra \
	pyproject.toml --output-file requirements/$$extra.txt || exit 1; done
	@for list in datasets finders; do $(LOCK) --generate-hashes --no-deps $(UPGRADE) \
	requirements/$$list.in --output-file requirements/$$list.txt || exit 1; done

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: lock setup demo serve migrate test fuzz test-integrations test-browser chaos soak check audit format bench evidence speed quality rivals help
