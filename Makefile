# One command for each thing that one does here. `make` alone lists them.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
LAB := $(BIN)/ansible-playbook -i localhost, molecule/lab
export PATH := $(CURDIR)/$(BIN):$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg

.PHONY: help setup demo demo-down init test lint unit unit-short molecule galaxy galaxy-short proof-roles proof-galaxy proof-airgap proof-debian12 proof-postgres proof-rollout proof-backup proof-drill proof-faults proof-upgrade-postgres bench bench-memory bench-backup fuzz-sizing matrix docs site release

help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

setup: $(VENV)/.installed ## Install the tools into .venv

$(VENV)/.installed: requirements.txt requirements-dev.txt
	@echo "==> Installing the tools into $(VENV)"
	@$(PYTHON) -m venv --clear $(VENV) >/dev/null 2>&1 || { \
	    echo "==> Installing python3-venv"; apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; \
	    $(PYTHON) -m venv --clear $(VENV); }
	@$(BIN)/pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

demo: setup ## A bare server becomes a running Trenova, in throw-away containers on this machine
	@tests/lab/demo.sh

demo-down: setup ## Remove everything that `make demo` has made
	@tests/lab/demo.sh down

init: setup ## Ask five questions, write inventories/mine (INVENTORY=... for another) with the answers, and show the plan
	@$(BIN)/ansible-playbook playbooks/init.yml -e trenova_init_directory=$(or $(INVENTORY),inventories/mine)

lint: setup ## ansible-lint (production), yamllint, ruff, documentation of the plugins, changelog
	@echo "==> ruff" && $(BIN)/ruff check .
	@echo "==> yamllint" && $(BIN)/yamllint --strict .
	@echo "==> ansible-lint" && $(BIN)/ansible-lint --offline --profile production
	@echo "==> antsibull-docs, antsibull-changelog" && $(BIN)/antsibull-changelog lint && \
	    $(BIN)/antsibull-docs lint-collection-docs --plugin-docs collections/ansible_collections/trenova/selfhost

# What decides and does the changes on hosts, and its tests.
CORE := */converge/*,*/topology.py,*/bundle.py,*/plugin_utils/run.py
CORE_TESTS := tests/unit/converge $(addprefix tests/unit/test_,bundle.py run.py topology.py topology_problems.py)
define covered_core
	@$(BIN)/coverage report --fail-under=95 --format=total --include='$(CORE)' >/dev/null || { \
	    echo "converge, topology, bundle and run: less than 95 %" >&2; exit 1; }
endef

unit: setup ## Unit tests, and how much of the plugins they cover
	@echo "==> unit tests" && $(BIN)/pytest -q -n auto --cov --cov-report=
	@echo "==> coverage, lines and branches" && $(BIN)/coverage report --skip-covered --fail-under=85
	$(covered_core)

# Measuring takes long: CI measures what matters most, `make unit` everything.
unit-short: setup
	@echo "==> unit tests of converge, topology, bundle and run, with coverage"
	@$(BIN)/pytest -q -n auto --cov --cov-report= $(CORE_TESTS)
	$(covered_core)
	@echo "==> all other unit tests" && $(BIN)/pytest -q -n auto $(addprefix --ignore=,$(CORE_TESTS))

molecule: setup ## What CI runs on servers: the whole stack, backups and restores, somebody else's services, an earlier edition
	@$(BIN)/python tests/lab/molecule.py

proof-roles: setup ## Each role alone on a server
	@$(BIN)/python tests/lab/molecule.py --roles

galaxy: setup ## The artifact as Galaxy gets it: its files, sanity, importer, documentation
	@tests/galaxy/check.sh

galaxy-short: setup
	@tests/galaxy/check.sh short

proof-galaxy: galaxy ## `make galaxy`, and a deployment from the installed artifact alone
	@PROOF=1 $(BIN)/pytest -q tests/unit/test_release.py
	@tests/galaxy/deploy.sh

proof-airgap: setup ## A server that reaches no registry is deployed from one archive of images
	@tests/airgap/prove.sh

proof-debian12: setup ## Debian 12 is deployed with Docker from a repository of the layout of Docker's own
	@tests/debian12/prove.sh

proof-postgres: setup ## Each major version of PostgreSQL as somebody else's server
	@tests/postgres/prove.sh

proof-rollout: setup ## Changes of all kinds under 50 requests a second, none of which may fail
	@$(BIN)/python tests/lab/molecule.py rollout

proof-backup: setup ## Backups with all that can go wrong; restores that are killed, repeated, and done on another server
	@PROOF=1 $(BIN)/python tests/lab/molecule.py backup restore

proof-drill: setup ## A backup is restored beside what lives, asked and removed, and nothing that lives is touched
	@$(BIN)/python tests/lab/molecule.py drill

proof-faults: setup ## Whatever is killed, full, away or damaged in the middle of a backup or a restore, nothing is lost
	@PROOF=1 $(BIN)/pytest -q -n auto tests/unit/test_backup_faults.py
	@$(BIN)/python tests/lab/molecule.py faults

proof-upgrade-postgres: setup ## PostgreSQL 15 becomes 17, and 17 becomes 18: rehearsed, killed in the middle, done, and led back
	@tests/postgres/majors.sh
	@$(BIN)/python tests/lab/molecule.py upgrade_postgres upgrade_postgres_18

bench: setup ## A run against Compose alone, fleets against one server, the controller's memory; writes docs/benchmarks.md
	@$(BIN)/python tests/bench/bench.py --write docs/benchmarks.md

bench-memory: setup ## Memory under load against the plan, its settings against upstream's; writes docs/memory.md
	@$(BIN)/python tests/bench/memory.py --write docs/memory.md

bench-backup: setup ## Backups, restores and drills against the programs alone, the application meanwhile (SIZE=5 for 5 GB); writes docs/benchmarks-backup.md (-5gb.md)
	@$(BIN)/python tests/bench/backup.py --size $(or $(SIZE),1) --write docs/benchmarks-backup$(if $(SIZE),-$(SIZE)gb).md

fuzz-sizing: setup ## Plans a million random hosts and holds each plan against what must hold for any
	@$(BIN)/python tests/fuzz/fuzz_sizing.py

matrix: setup ## Unit tests and sanity with the oldest and the newest ansible-core, on each Python that can be had
	@tests/galaxy/matrix.sh

docs: setup ## Write the generated documentation
	@$(BIN)/python docs/generate.py

site: ## Build the documentation site in .cache/site/html
	@docs/site/build.sh

release: setup ## Changelog, version, artifact, importer, commit and tag: make release VERSION=0.2.0; publishes nothing
	@tests/galaxy/release.sh $(VERSION)

test: lint unit-short galaxy-short molecule ## Everything that CI runs
