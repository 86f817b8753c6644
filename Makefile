# The jobs of this clone; `make` lists them. Each sets up first what it needs.

# The configuration of `make synth`, `make drill`, `make diff`, `make review`, `make bench` and
# `make local`:
# a path, or a bare name for config/NAME.yaml, else config/examples/NAME.yaml.
CONFIG ?= active-passive
# Servers of the nodes on the local AWS: light, jvm (Java and PostgreSQL), or none for instances that
# run no programs.
NODES ?= light
# Network of the client of `make local-client`: outside, or a VPC.
VIEW ?= outside
# The port of the local AWS; 0 means a free port.
LOCAL_PORT ?= 0
# The git revision of `make diff`, `make review` and `make upgrade-fixture`.
BASE ?= main
# More arguments for pytest, the drill, the benchmark or the locking, such as ARGS='-x -k failover'.
ARGS ?=

# The time limit of `make fuzz` in seconds.
FUZZ_SECONDS ?= 600

# The number of tests that run at the same time; 0 runs them in one process, for a debugger.
JOBS ?= auto

python := .venv/bin/python
typed := app.py denodo_ha hosts stacks tools tests
pytest = $(python) -m pytest --numprocesses '$(JOBS)' --dist loadfile --no-loadscope-reorder
# The folders with fast tests; the marker `slow` (pyproject.toml) leaves out the others.
quick := tests/environment tests/drill tests/commands tests/docs tests/test_imports.py

# For programs that run without tools/app, which sets the same variables.
export JSII_NODE := $(CURDIR)/.venv/node
export JSII_RUNTIME_PACKAGE_CACHE_ROOT := $(CURDIR)/.venv/jsii-cache
# With it, each of the many processes of a verb would compile all modules that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup dev local local-down local-env local-resolve local-node local-client rehearse rehearse-all \
	rehearse-standby rehearse-flaws test test-long test-whole kill-matrix fault-matrix fuzz spin quick snapshots reference lint \
	format synth drill plan deploy destroy \
	diff review upgrade-fixture readiness-cost bench lock clean

help: ## list these verbs
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 18

setup: ## make .venv and node_modules from the lock files; does nothing when they are current
	@tools/setup

dev: ## setup, and what the tests and linters need
	@tools/setup dev

local: $(if $(filter jvm,$(NODES)),dev,setup) ## deploy CONFIG to a local AWS on this machine and show the result (LOCAL_PORT=…, NODES=jvm)
	@tools/local_aws/setup
	@$(python) -m tools.local_aws up --config '$(CONFIG)' --port '$(LOCAL_PORT)' --nodes '$(NODES)'

local-down: setup ## destroy what `make local` deployed, and stop its server
	@$(python) -m tools.local_aws down

local-env: setup ## print the lines that send a shell to the local AWS
	@$(python) -m tools.local_aws env --config '$(CONFIG)'

local-resolve: setup ## print the addresses of NAME for `psql hostaddr=` and `curl --resolve`
	@$(python) -m tools.local_aws resolve --name '$(NAME)'

local-node: setup ## kill, suspend, resume or start a node's machine (NODE=active/node1 DO=kill)
	@$(python) -m tools.local_aws node --config '$(CONFIG)' --node '$(NODE)' --do '$(DO)'

local-client: setup ## run a program that finds the names of the local AWS (RUN='denodo-ha verify', VIEW=vpc-…)
	@$(python) -m tools.local_aws client --config '$(CONFIG)' --run "$$RUN" --view '$(VIEW)'

rehearse: dev ## play the drill's scenarios of CONFIG on a local AWS and compare (ARGS='--first-only --format markdown')
	@tools/local_aws/setup
	@$(python) -m tools.local_aws.rehearsal '$(CONFIG)' $(ARGS)

rehearse-all: dev ## rehearse all examples; takes hours (ARGS=--first-only: minutes for each)
	@tools/local_aws/setup
	@$(python) -m tools.local_aws.rehearsal --all $(ARGS)

rehearse-standby: dev ## practise a failover, and plant the faults of `failover check`; minutes (ARGS='--fault NAME')
	@tools/local_aws/setup
	@$(python) -m tools.local_aws.rehearsal.standby $(ARGS)

rehearse-flaws: dev ## rehearse templates with planted flaws; minutes (ARGS='articles-recipe' for some)
	@tools/local_aws/setup
	@$(python) -m tests.local_aws.rehearsal.rehearse_flaws $(ARGS)

test: dev ## run the tests (ARGS='-k NAME' for some)
	@tools/local_aws/setup
	@$(pytest) -m 'not long' $(ARGS)

test-long: dev ## run the long tests
	@tools/local_aws/setup
	@$(pytest) -m long $(ARGS)

test-whole: dev ## run the long tests with all combinations instead of samples, before a release
	@tools/local_aws/setup
	@DENODO_HA_WHOLE=1 $(pytest) -m long $(ARGS)

kill-matrix: dev ## kill the host programs at every step of a change, and run them again (ARGS='--sample 9')
	@$(python) -m tests.hosts.denodo.kill_matrix $(ARGS)
	@$(python) -m tests.hosts.haproxy.kill_matrix $(ARGS)

fault-matrix: dev ## run every command with every fault of AWS's answers at every call (ARGS='--shard 1/4')
	@tools/local_aws/setup
	@$(python) -m tests.faults.matrix $(ARGS)

fuzz: dev ## fuzz the readers of files and answers (FUZZ_SECONDS=600, ARGS='drill hosts' for some)
	@$(python) -m tests.fuzz --seconds '$(FUZZ_SECONDS)' $(ARGS)

spin: dev ## compare `drill --orders` with a second model in Promela (needs apt-get install spin gcc)
	@$(python) -m pytest -q -m long -rs tests/drill/second_model $(ARGS)

quick: dev ## check format, rules, types, and run the fast tests (under a minute after the first run)
	@$(python) -m ruff format --check --quiet .
	@$(python) -m ruff check --quiet .
	@$(python) -m mypy --no-error-summary $(typed)
	@$(pytest) -q -m 'not long and not slow' $(quick) $(ARGS)

snapshots: dev ## accept the templates as they are now, after reading `make diff`
	@$(python) -m pytest -q tests/stacks/test_examples.py --snapshot-update
	@$(python) -m tools.reference_pages.cost_table

reference: dev ## write config/schema.json and the generated pages of docs/reference
	@$(python) -m denodo_ha.environment.loading.json_schema
	@$(python) -m denodo_ha.environment.loading.reference_page
	@$(python) -m tools.deploy_permissions
	@$(python) -m tools.reference_pages

lint: dev ## check format, rules, types, workflows, spelling and language
	@$(python) -m ruff format --check .
	@$(python) -m ruff check .
	@$(python) -m mypy $(typed)
	@.venv/node tools/workflow_lint.mjs .github/workflows/*.yml docs/how-to/ci/scheduled.yml
	@$(python) -m tools.language

format: dev ## format the code, and fix what ruff can fix
	@$(python) -m ruff check --fix-only --quiet .
	@$(python) -m ruff format .

synth: setup ## write the templates of CONFIG to cdk.out, without any AWS account
	@tools/cdk-offline synth --quiet -c config='$(CONFIG)'

drill: setup ## show the effect of every single failure of CONFIG (ARGS='--format json', …)
	@tools/cdk-offline synth --quiet -c config='$(CONFIG)'
	@$(python) -m denodo_ha drill cdk.out $(ARGS)

# The verbs that call AWS take no example by default.
.PHONY: configured
configured:
	@[ '$(origin CONFIG)' != file ] || \
		{ echo 'Name your configuration: make $(MAKECMDGOALS) CONFIG=NAME' >&2; exit 2; }
cdk := .venv/node node_modules/.bin/cdk

plan: configured setup ## show what a deploy of CONFIG does to each node (ARGS='--format json')
	@tools/denodo-ha plan -c '$(CONFIG)' $(ARGS)

deploy: configured setup ## deploy CONFIG if its plan is safe, and write its pins (ARGS='--require-approval never')
	@tools/cdk-offline synth --quiet -c config='$(CONFIG)'
	@tools/denodo-ha plan -c '$(CONFIG)' cdk.out
	@$(cdk) deploy --app cdk.out --all $(ARGS)
	@tools/denodo-ha pin -c '$(CONFIG)'

destroy: configured setup ## destroy all stacks of CONFIG if no protection would stop it half-way (ARGS=--force)
	@tools/denodo-ha plan -c '$(CONFIG)' --destroy-all
	@$(cdk) destroy -c config='$(CONFIG)' --all $(ARGS)

diff: setup ## show what the working tree changes in the templates of CONFIG since revision BASE
	@$(python) -m tools.diff --base '$(BASE)' --config '$(CONFIG)'

review: setup ## print one page on what the working tree changes for CONFIG since revision BASE, also as review.html
	@tools/denodo-ha review --base '$(BASE)' -c '$(CONFIG)' --html review.html $(ARGS)

upgrade-fixture: setup ## archive revision BASE for tests/upgrade, as COMMIT.tar.xz
	@$(python) -m tools.upgrade_fixture --revision '$(BASE)'

readiness-cost: dev ## measure what a node's readiness checks cost, and cost before with a Java at each check
	@$(python) -m tools.bench.readiness $(ARGS)

bench: dev ## measure the synth of CONFIG beside a minimal CDK app, and our HAProxy file beside the article's
	@$(python) -m tools.bench.synth --config '$(CONFIG)' $(ARGS)
	@echo
	@$(python) -m tools.bench.haproxy

compile = $(python) -m uv pip compile --quiet --universal --python-version 3.11 \
	--generate-hashes --no-header --no-emit-index-url --no-cache $(ARGS)
lock: dev ## bring the lock files up to pyproject.toml and package.json (ARGS=--upgrade: to the newest)
	@$(compile) --extra cdk --extra dev --output-file requirements-dev.lock pyproject.toml
	@$(compile) --extra cdk --constraint requirements-dev.lock \
		--output-file requirements.lock pyproject.toml
	@$(compile) --output-file tools/local_aws/requirements.lock tools/local_aws/requirements.in
	@.venv/node .venv/npm-cli.js install --package-lock-only --silent --cache .venv/npm-cache
	@$(python) -m tools.platforms

clean: ## remove everything that these verbs made
	@[ ! -e .local/server.json ] || $(python) -m tools.local_aws stop || true
	@rm -rf review.html review .local .local.lock .setup.lock tools/local_aws/.venv .venv node_modules cdk.out build *.egg-info \
		.fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
