# The commands of this repository. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/chassis services/auth services/catalog services/imaging gateway
# What developers have beside what runs.
DEV_PACKAGES := $(PACKAGES) clients/python

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/run.stamp  ## run everything as plain processes; Ctrl-C ends it (PORT, S3_PORT, AMQP_PORT, AMQP_URL, S3_BUCKET)
	@PYTHONPATH=embedded/src exec $(BIN)/python -m embedded --end-with-parent

# --- what every change must pass -------------------------------------------------------------------------------------

.PHONY: test lint format
SHIPPED := libs services gateway embedded clients containers tools
TYPED := libs/chassis/src services/auth/src services/catalog/src services/imaging/src gateway/src embedded/src \
	clients/python/src tests tools containers benchmarks
test: lint  ## lint, then all tests, some of which need a container engine; PYTEST=tests/unit for the quick ones
	@if [ -n "$(PYTEST)" ]; then exec $(BIN)/pytest $(PYTEST); else $(SIDE_BY_SIDE); fi

# Most tests wait for something, so that two halves go on at the same time, which take about as long: the second is
# tests/integration from the letter c on. What the first tells is printed when it is done, and last of all the names of
# what failed in either.
define SIDE_BY_SIDE
told=$$(mktemp -d) && trap 'kill $$(jobs -p) 2>/dev/null; wait; rm -rf "$$told"' EXIT; set -o pipefail; \
	$(BIN)/pytest --ignore-glob 'tests/integration/test_[!ab]*' >"$$told/first" 2>&1 & first=$$!; \
	$(BIN)/pytest tests/integration --ignore-glob 'tests/integration/test_[ab]*' 2>&1 | tee "$$told/second"; \
	second=$$?; wait $$first; failed=$$?; cat "$$told/first"; grep -hE '^(FAILED|ERROR) ' "$$told"/*; \
	exit $$((failed || second))
endef

lint: $(VENV)/dev.stamp  ## check style, types, and the directions of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(TYPED)
	PYTHONPATH=embedded/src $(BIN)/lint-imports
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive $(SHIPPED)
	$(BIN)/python tools/audit.py
	$(BIN)/python tools/settings_tables.py --check
	PYTHONPATH=tests $(BIN)/python tools/access_table.py --check
	PYTHONPATH=tests $(BIN)/python tools/security_table.py --check
	PYTHONPATH=tests $(BIN)/python tools/metrics_table.py --check
	$(BIN)/python tools/measured_tables.py --check
	$(BIN)/python tools/monitoring.py --check
	$(BIN)/python tools/version.py --check

format: $(VENV)/dev.stamp  ## format the code, and update the generated tables
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python tools/settings_tables.py
	PYTHONPATH=tests $(BIN)/python tools/access_table.py
	PYTHONPATH=tests $(BIN)/python tools/security_table.py
	PYTHONPATH=tests $(BIN)/python tools/metrics_table.py
	$(BIN)/python tools/measured_tables.py
	$(BIN)/python tools/monitoring.py
	$(BIN)/python tools/version.py

.PHONY: k8s-test
k8s-test: $(VENV)/dev.stamp  ## test the trial on the cluster of KUBECONFIG; half an hour (REGISTRY=, TAG=, SEED=, PYTEST=)
	@if [ -z "$$KUBECONFIG" ]; then echo "k8s-test: SKIPPED, since KUBECONFIG names no cluster"; else \
		K8S_TEST=1 $(BIN)/pytest -v $${PYTEST:-tests/cluster}; fi

.PHONY: checkov
checkov: $(VENV)/dev.stamp  ## have checkov look at the manifests of Kubernetes, in an environment of its own
	@tools/checkov.sh

.PHONY: migration
migration: $(VENV)/dev.stamp  ## write the migration to a service's changed tables (SERVICE=catalog NAME=what_it_does)
	@$(BIN)/python tools/migration.py $(SERVICE) $(NAME)

.PHONY: docs
docs: $(VENV)/dev.stamp  ## build the site of the documents, strictly, into .imghost/site/html
	@$(BIN)/python tools/docs_site.py .imghost/site/pages
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet
	@echo "open .imghost/site/html/index.html"

.PHONY: hooks
hooks: $(VENV)/dev.stamp  ## have git run lint at each commit, and check its subject
	$(BIN)/pre-commit install

.PHONY: try-fresh
try-fresh: engine  ## try the README's commands in bare containers of Debian 12 and 13 (SUITES='bookworm trixie')
	@tools/try-fresh.sh $(SUITES)

.PHONY: edge-test
edge-test: $(VENV)/dev.stamp  ## run the system tests through the edge, before plain processes; ten minutes
	EDGE=1 $(BIN)/pytest tests/system $(PYTEST)

.PHONY: faults
faults: $(VENV)/dev.stamp  ## break the compose stack under load in every way; half an hour (FAULTS=name,…, SEED=)
	FAULTS=$${FAULTS:-all} IMGHOST_REQUIRE_ENGINE=1 $(BIN)/pytest --ignore tests/faults/ha tests/faults $(PYTEST)

.PHONY: ha-faults
ha-faults: $(VENV)/dev.stamp  ## lose brokers and databases of the stack with ha.yml under load (FAULTS=name,…, SEED=)
	FAULTS=$${FAULTS:-all} IMGHOST_REQUIRE_ENGINE=1 $(BIN)/pytest tests/faults/ha $(PYTEST)

.PHONY: restore-drill
restore-drill: $(VENV)/dev.stamp  ## lose both databases and restore them, with 100,000 images; takes long (IMAGES=)
	DISK_SIZE=4g POSTGRES_MEMORY=6g S3_MEMORY=3g DRILL_IMAGES=$${IMAGES:-100000} IMGHOST_REQUIRE_ENGINE=1 \
		$(BIN)/pytest -s tests/faults/test_restore_drill.py

.PHONY: upgrade-trial
upgrade-trial: $(VENV)/dev.stamp  ## upgrade a loaded stack from PREVIOUS (a tag or commit; the newest tag) and back
	PREVIOUS=$${PREVIOUS:-newest} IMGHOST_REQUIRE_ENGINE=1 $(BIN)/pytest -s tests/upgrade

.PHONY: alerts
alerts: $(VENV)/dev.stamp  ## make each alert fire on a running stack by its fault; eight minutes
	ALERTS=1 $(BIN)/pytest --timeout 600 tests/alerts

.PHONY: screenshots
screenshots: $(VENV)/dev.stamp  ## take the pictures of the console in docs/images anew, in Chromium
	$(BIN)/pytest -q tests/console/screenshots.py

.PHONY: keys
keys: $(VENV)/dev.stamp  ## send twenty thousand generated S3 keys through every endpoint; half an hour (KEYS=)
	KEYS=$${KEYS:-20000} $(BIN)/pytest -s tests/system/test_keys_on_the_wire.py

.PHONY: schemathesis
schemathesis: $(VENV)/dev.stamp  ## run ten thousand cases of schemathesis against the API document; half an hour (CASES=)
	CASES=$${CASES:-10000} $(BIN)/pytest -s tests/contracts/test_schemathesis.py

.PHONY: mutants
mutants: $(VENV)/dev.stamp  ## put defects into the code, one at a time; the tests must catch each (MUTANTS=name,…)
	@PYTHONPATH=tests $(BIN)/python -m mutants

.PHONY: bench-door
bench-door: $(VENV)/dev.stamp  ## attack the gateway and measure what others notice of it (AGAINST=another checkout)
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.door

.PHONY: bench
bench: $(VENV)/dev.stamp  ## measure how fast the API answers, also beside flask-imghost (ORIGIN=its checkout)
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.serving

.PHONY: bench-check
bench-check: $(VENV)/dev.stamp  ## tell which ratios of `make bench` have fallen since the last commit
	$(BIN)/python -m benchmarks.check

.PHONY: bench-metrics
bench-metrics: $(VENV)/dev.stamp  ## measure what the metrics of a request cost
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.metrics

.PHONY: bench-traces
bench-traces: $(VENV)/dev.stamp  ## measure what traces cost a request
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.traces

.PHONY: bench-capacity
bench-capacity: $(VENV)/dev.stamp  ## measure what each process takes for an operation; takes the images of `make images`
	@set -a; [ ! -f .imghost/images.env ] || . ./.imghost/images.env; set +a; $(BIN)/python -m benchmarks.capacity

.PHONY: bench-replicas
bench-replicas: $(VENV)/dev.stamp  ## the same with one, two and four replicas of everything; takes the images of `make images`
	@set -a; [ ! -f .imghost/images.env ] || . ./.imghost/images.env; set +a; $(BIN)/python -m benchmarks.replicas

.PHONY: bench-deletions
bench-deletions: $(VENV)/dev.stamp  ## measure how soon what a deleted user had is gone; takes the images of `make images`
	@set -a; [ ! -f .imghost/images.env ] || . ./.imghost/images.env; set +a; $(BIN)/python -m benchmarks.deletions

.PHONY: bench-ready
bench-ready: $(VENV)/dev.stamp  ## measure how long a picture takes until it is ready, and a burst; takes the images of `make images`
	@set -a; [ ! -f .imghost/images.env ] || . ./.imghost/images.env; set +a; $(BIN)/python -m benchmarks.ready

.PHONY: bench-finding
bench-finding: $(VENV)/dev.stamp  ## have catalog find images among a million, and PostgreSQL explain it (IMAGES=)
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.finding $${IMAGES:-1000000}

.PHONY: bench-migrations
bench-migrations: $(VENV)/dev.stamp  ## measure how long each migration makes requests wait, on filled databases (ROWS=)
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.migrations $${ROWS:-100000}

.PHONY: bench-growth
bench-growth: $(VENV)/dev.stamp  ## time every statement of catalog at 5 million images (GROWTH_LARGE=, GROWTH_LARGEST=)
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.growth

.PHONY: bench-memory
bench-memory: $(VENV)/dev.stamp  ## measure memory after requests of every kind; takes the images of `make images` (REQUESTS=)
	@set -a; [ ! -f .imghost/images.env ] || . ./.imghost/images.env; set +a; \
		PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.memory $${REQUESTS:-100000}

.PHONY: bench-uploads
bench-uploads: $(VENV)/dev.stamp  ## measure the gateway's memory while slow clients upload large files; two minutes
	PYTHONPATH=tests:embedded/src $(BIN)/python -m benchmarks.uploads

.PHONY: simulate
simulate: $(VENV)/dev.stamp  ## simulate uploads on a large installation, whose chart goes to docs/images/ (SEED=1)
	$(BIN)/python -m benchmarks.scale

.PHONY: bench-imaging
bench-imaging: $(VENV)/dev.stamp  ## measure imaging beside its peers; results go to benchmarks/results/
	$(BIN)/python -m benchmarks.imaging

# --- environments: pip checks every file against the hashes of the locks ---------------------------------------------

# An environment that was left half made, or whose Python was removed, is made again whatever its stamps say.
USABLE := $(shell $(BIN)/python -c "" 2>/dev/null && test -e $(VENV)/complete && echo yes)
FORCED := $(if $(USABLE),,forced)
.PHONY: forced
forced:

environment = command -v $(PYTHON) >/dev/null || \
	{ echo "$(PYTHON) is missing; on Debian or Ubuntu: apt install python3-venv" >&2; exit 1; }; \
	$(PYTHON) tools/environment.py $(VENV) $(1) $(2)

$(VENV)/run.stamp: requirements-run.lock $(PACKAGES:%=%/pyproject.toml) $(FORCED)
	@$(call environment,requirements-run.lock,$(PACKAGES))
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(DEV_PACKAGES:%=%/pyproject.toml) $(FORCED)
	@$(call environment,requirements-dev.lock,$(DEV_PACKAGES))
	@touch $@ $(VENV)/run.stamp

.PHONY: lock
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --no-emit-package imghost-chassis
CONSTRAINED = $(UV_COMPILE) --constraint requirements-dev.lock
lock: $(VENV)/dev.stamp  ## resolve all locks again; requirements-dev.lock decides the versions for the others
	$(UV_COMPILE) $(DEV_PACKAGES:%=%/pyproject.toml) --all-extras \
		--group run --group s3-setup --group test --group docs --group bench --group lint --group build \
		-o requirements-dev.lock
	$(CONSTRAINED) $(PACKAGES:%=%/pyproject.toml) --all-extras --group run --group backend -o requirements-run.lock
	for package in services/auth services/catalog services/imaging gateway; do \
		$(CONSTRAINED) $$package/pyproject.toml -o $$package/requirements.lock; done
	$(CONSTRAINED) --group backend -o libs/requirements-build.lock
	$(CONSTRAINED) --group s3-setup -o containers/s3-setup/requirements.lock
	$(UV_COMPILE) --group s3 -o containers/s3/requirements.lock
	echo "checkov>=3.3" | $(UV_COMPILE) - -o tools/checkov.lock
	printf "mypy\nopenapi-python-client>=0.29\n" | $(UV_COMPILE) - -o tests/contracts/generated/openapi-python-client.lock

# --- containers -----------------------------------------------------------------------------------------------------

.PHONY: secrets
secrets:  ## write good passwords for the stack in containers into .env; those that are there stay
	@$(PYTHON) tools/make_secrets.py

.PHONY: rabbitmq
rabbitmq: $(VENV)/run.stamp  ## install the distribution's RabbitMQ if it is missing, without starting it
	@PYTHONPATH=embedded/src $(BIN)/python -m embedded.parts.install

.PHONY: status
status: $(VENV)/run.stamp  ## show what is up, what waits and what failed in the stack of `make run` (WATCH=--watch)
	@test -e .imghost/run.env || { echo "nothing runs here; for containers: docker compose run --rm status" >&2; exit 1; }
	@set -a; . .imghost/run.env; set +a; exec $(BIN)/catalog status $(WATCH)

.PHONY: engine base-images compose-up compose-down
engine:  ## start a container engine and install docker compose, if they are missing
	@tools/engine.sh $(VENV)

base-images: engine  ## build stand-ins for the public base images, for machines that reach no registry
	@tools/base-images.sh

compose-up: engine  ## build and start the whole stack in containers (PORT, S3_PORT)
	docker compose up --build --wait
	@echo "imghost is on http://$$(docker compose port gateway 8000), user $${AUTH_FIRST_USERNAME:-demo}," \
		"password as in AUTH_FIRST_PASSWORD ($$(grep -qs ^AUTH_FIRST_PASSWORD= .env && echo in .env || echo demo-on-this-machine))"

.PHONY: images push release
images: engine $(VENV)/dev.stamp  ## build the images of a release, tagged with version and commit, each with its SBOM
	@tools/images.sh build

release: engine $(VENV)/dev.stamp  ## tag the version of VERSION, build its images, and collect all of it; pushes nothing
	@$(BIN)/python -m tools.release cut
	@tools/images.sh build
	@$(BIN)/python -m tools.release collect

push: engine  ## push these images to a registry (REGISTRY=registry.example/team)
	@tools/images.sh push "$(REGISTRY)"

compose-down:  ## stop the stack in containers and delete its data
	docker compose down --volumes
