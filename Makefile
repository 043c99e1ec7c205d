# Every way into this repository. `make` alone lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PACKAGES := libs/chassis services/auth services/catalog services/imaging gateway

.PHONY: help
help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: $(VENV)/run.stamp  ## run everything here as plain processes; Ctrl-C ends it (PORT, S3_PORT, AMQP_PORT, AMQP_URL, S3_BUCKET)
	@PYTHONPATH=embedded/src exec $(BIN)/python -m embedded --end-with-parent

# --- what every change must pass -------------------------------------------------------------------------------------

.PHONY: test lint format
TYPED := libs/chassis/src services/auth/src services/catalog/src services/imaging/src gateway/src embedded/src \
	tests tools containers benchmarks
test: lint  ## everything: style, types, directions of imports, then all tests; needs a container engine for all of them
	$(BIN)/pytest $(PYTEST)

lint: $(VENV)/dev.stamp  ## style, types, and which way imports run
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy $(TYPED)
	$(BIN)/lint-imports
	$(BIN)/python tools/settings_tables.py --check

format: $(VENV)/dev.stamp  ## bring the code into the one style, and the README's tables of settings up to date
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/python tools/settings_tables.py

.PHONY: migration
migration: $(VENV)/dev.stamp  ## write the migration to a service's changed tables (SERVICE=catalog NAME=what_it_does)
	@$(BIN)/python tools/migration.py $(SERVICE) $(NAME)

.PHONY: faults
faults: $(VENV)/dev.stamp  ## break the compose stack under load in every way, half an hour (FAULTS=name,…, SEED=)
	FAULTS=$${FAULTS:-all} IMGHOST_REQUIRE_ENGINE=1 $(BIN)/pytest tests/faults $(PYTEST)

.PHONY: mutants
mutants: $(VENV)/dev.stamp  ## put defects in on purpose, one at a time, and see the tests catch each (MUTANTS=name,…)
	@PYTHONPATH=tests $(BIN)/python -m mutants

.PHONY: bench-imaging
bench-imaging: $(VENV)/dev.stamp  ## the figures of imaging beside its peers', as a table and in benchmarks/results/
	$(BIN)/python -m benchmarks.imaging

# --- environments: pip checks every file against the hashes of the locks -------------------------------------------

$(VENV)/run.stamp: requirements-run.lock $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) tools/environment.py $(VENV) requirements-run.lock $(PACKAGES)
	@touch $@

$(VENV)/dev.stamp: requirements-dev.lock $(PACKAGES:%=%/pyproject.toml)
	@$(PYTHON) tools/environment.py $(VENV) requirements-dev.lock $(PACKAGES)
	@touch $@ $(VENV)/run.stamp

.PHONY: lock
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header --no-annotate --no-emit-package imghost-chassis
CONSTRAINED = $(UV_COMPILE) --constraint requirements-dev.lock
lock: $(VENV)/dev.stamp  ## resolve all locks anew; requirements-dev.lock decides, the others follow it
	$(UV_COMPILE) $(PACKAGES:%=%/pyproject.toml) --all-extras \
		--group run --group s3-setup --group test --group bench --group lint --group build -o requirements-dev.lock
	$(CONSTRAINED) $(PACKAGES:%=%/pyproject.toml) --all-extras --group run --group backend -o requirements-run.lock
	for package in services/auth services/catalog services/imaging gateway; do \
		$(CONSTRAINED) $$package/pyproject.toml --group backend -o $$package/requirements.lock; done
	$(CONSTRAINED) --group s3-setup -o containers/s3-setup/requirements.lock
	$(UV_COMPILE) --group s3 -o containers/s3/requirements.lock

# --- containers -----------------------------------------------------------------------------------------------------

.PHONY: rabbitmq
rabbitmq: $(VENV)/run.stamp  ## install RabbitMQ from the distribution's packages where it is missing; it is not started
	@PYTHONPATH=embedded/src $(BIN)/python -m embedded.parts.install

.PHONY: engine base-images compose-up compose-down
engine:  ## make sure that a container engine and docker compose are there
	@tools/engine.sh $(VENV)

base-images: engine  ## build stand-ins for the public base images, where no registry can be reached
	@tools/base-images.sh

compose-up: engine  ## build and start the whole stack in containers (PORT, S3_PORT)
	docker compose up --build --wait
	@echo "imghost is on http://$$(docker compose port gateway 8000), user $${AUTH_FIRST_USERNAME:-demo}," \
		"password $${AUTH_FIRST_PASSWORD:-demo-on-this-machine}"

compose-down:  ## stop the stack in containers and forget its data
	docker compose down --volumes
