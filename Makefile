# One verb a job; `make` lists them. Every verb sets up first what it needs.

# What `make synth`, `make drill`, `make diff` and `make bench` work on: a path, or a bare name for
# config/NAME.yaml, else config/examples/NAME.yaml.
CONFIG ?= active-passive
# The port of the local AWS; 0 is a free one.
LOCAL_PORT ?= 0
# The git revision that `make diff` compares the working tree with.
BASE ?= main
# More arguments for pytest, the drill, the benchmark or the locking, such as ARGS='-x -k failover'.
ARGS ?=

# How many tests run at once; 0 runs them in one process, for a debugger.
JOBS ?= auto

python := .venv/bin/python
typed := app.py denodo_ha hosts stacks tools tests

# For what runs beside tools/app, which sets the same: see there.
export JSII_NODE := $(CURDIR)/.venv/node
export JSII_RUNTIME_PACKAGE_CACHE_ROOT := $(CURDIR)/.venv/jsii-cache

.PHONY: help setup local local-down local-env test snapshots reference lint format synth drill diff bench lock clean

help: ## list these verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 18

setup: ## make .venv and node_modules from the lock files; nothing to do when they are current
	@tools/setup

local: setup ## deploy CONFIG to an AWS of this machine, and show what came of it (LOCAL_PORT=…)
	@tools/local_aws/setup
	@$(python) -m tools.local_aws up --config '$(CONFIG)' --port '$(LOCAL_PORT)'

local-down: setup ## destroy what `make local` deployed, and stop its server
	@$(python) -m tools.local_aws down

local-env: setup ## print the lines that send a shell to the local AWS
	@$(python) -m tools.local_aws env --config '$(CONFIG)'

test: setup ## run every test (ARGS='-k NAME' for some)
	@tools/local_aws/setup
	@$(python) -m pytest --numprocesses '$(JOBS)' --dist loadfile --no-loadscope-reorder $(ARGS)

snapshots: setup ## accept the templates as they are now, after reading `make diff`
	@$(python) -m pytest -q tests/stacks/test_examples.py --snapshot-update

reference: setup ## write config/schema.json and docs/configuration.md from the model
	@$(python) -m denodo_ha.environment.loading.json_schema
	@$(python) -m denodo_ha.environment.loading.reference_page

lint: setup ## check form, rules and types
	@$(python) -m ruff format --check .
	@$(python) -m ruff check .
	@$(python) -m mypy $(typed)

format: setup ## rewrite the code in its form, and mend what ruff can
	@$(python) -m ruff check --fix-only --quiet .
	@$(python) -m ruff format .

synth: setup ## write the templates of CONFIG to cdk.out, without any AWS account
	@tools/cdk-offline synth --quiet -c config='$(CONFIG)'

drill: setup ## show what every single failure of CONFIG would do (ARGS='--format json', …)
	@tools/cdk-offline synth --quiet -c config='$(CONFIG)'
	@$(python) -m denodo_ha drill cdk.out $(ARGS)

diff: setup ## show what the working tree changes in the templates of CONFIG since revision BASE
	@$(python) tools/diff.py --base '$(BASE)' --config '$(CONFIG)'

bench: setup ## measure the synth of CONFIG beside a minimal CDK app, and HAProxy's file beside the article's
	@$(python) -m tools.bench.synth --config '$(CONFIG)' $(ARGS)
	@echo
	@$(python) -m tools.bench.haproxy

lock: setup ## bring the lock files up to pyproject.toml and package.json (ARGS=--upgrade: to the newest)
	@$(python) -m uv pip compile --quiet --universal --python-version 3.11 --extra dev \
		--generate-hashes --no-header --no-emit-index-url --no-cache $(ARGS) \
		--output-file requirements.lock pyproject.toml
	@$(python) -m uv pip compile --quiet --universal --python-version 3.11 \
		--generate-hashes --no-header --no-emit-index-url --no-cache $(ARGS) \
		--output-file tools/local_aws/requirements.lock tools/local_aws/requirements.in
	@.venv/node .venv/npm-cli.js install --package-lock-only --silent --cache .venv/npm-cache

clean: ## remove all that these verbs made
	@[ ! -e .local/server.json ] || $(python) -m tools.local_aws stop || true
	@rm -rf .local .local.lock tools/local_aws/.venv .venv node_modules cdk.out .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
