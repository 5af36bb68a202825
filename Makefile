# The images of Carbide REST; `make help` lists the targets.
#   STACK=prod         another stack than dev
#   SOURCE=/path/tree  another source tree than the stack's
#   CATALOGUE=/file    another catalogue of images than the stack's
#   PROJECT=/path      another project than this one: a folder with its own Pulumi.yaml and stacks
#   SUMMARY=/path/file `make up` adds the table of images to it, in Markdown
#   FORMAT=markdown    the report as a pull request's comment; html: as a page
#   VERBOSE=1          `make up` with Pulumi's own display; WIDE=1: with whole references and digests

.DEFAULT_GOAL := help
STACK ?= dev
export STACK
ifdef SOURCE
export CARBIDE_SOURCE := $(SOURCE)
endif
ifdef CATALOGUE
export CARBIDE_CATALOGUE := $(CATALOGUE)
endif

ifdef PROJECT
export PROJECT
endif

VENV := .venv
READY := $(VENV)/.requirements
# In the folder of the project that is served, with the packages of this one.
DEVENV := $(if $(PROJECT),cd "$$PROJECT" && $(CURDIR)/)$(VENV)/bin/python -m devenv
CARBIDE := $(DEVENV) run -- carbide-infra
STARTED := $(DEVENV) run --start
CACHE := $(or $(CARBIDE_CACHE_DIR),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/carbide-infra)
# One worker has the engine tests' checkout, the others what needs none.
PARALLEL := --numprocesses auto --maxprocesses 4 --dist loadgroup --no-loadscope-reorder

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { \
	    gsub(/[$$][$$]/, "$$"); line = sprintf("  make %-24s", $$1); \
	    count = split($$2, words, " "); \
	    for (at = 1; at <= count; at++) { \
	      if (length(line) + length(words[at]) > 78) { print line; line = sprintf("%31s", "") } \
	      line = line " " words[at] } \
	    print line }' $(MAKEFILE_LIST)
	@echo
	@echo "  STACK=<name> selects the stack (dev), SOURCE=<path> another Go source tree,"
	@echo "  PROJECT=<path> another project, which has its own Pulumi.yaml."

.PHONY: up
up: $(READY) ## Set up, build and push what changed, show all images (VERBOSE=1, WIDE=1)
	@$(STARTED) -- carbide-infra up $(if $(VERBOSE),--verbose) $(if $(WIDE),--wide)

.PHONY: build-production-images
build-production-images: up ## The same as up, under its old name

.PHONY: preview
preview: $(READY) ## Show what `make up` would change
	@$(STARTED) --if-new -- carbide-infra preview

.PHONY: report
report: $(READY) ## Say what a preview means for images and deployments (FORMAT=markdown, html, json)
	@$(CARBIDE) report --format $(or $(FORMAT),terminal)

.PHONY: refresh
refresh: $(READY) ## Find what was moved or lost in the registry; `make up` repairs it
	@$(STARTED) --if-local -- carbide-infra refresh

.PHONY: verify
verify: $(READY) ## Check every image in the registry against the stack's outputs
	@$(STARTED) --if-local -- carbide-infra verify

.PHONY: doctor
doctor: $(READY) ## Check this machine, the stack and its registry, and say what to fix
	@$(DEVENV) doctor

.PHONY: images
images: $(READY) ## Print the stack's images as JSON (with make -s)
	@$(CARBIDE) images --format images

.PHONY: env
env: $(READY) ## For eval "$$(make -s env)": plain pulumi and carbide-infra commands
	@$(DEVENV) env

.PHONY: pin-bases
pin-bases: $(READY) ## Pin the stack's base images to their current digests
	@$(STARTED) --unpinned -- carbide-infra pin-bases

.PHONY: check-bases
check-bases: $(READY) ## Tell whether the pinned base images have moved
	@$(CARBIDE) check-bases

.PHONY: venv
venv: $(READY) ## Make the Python environment, and no more

.PHONY: tools
tools: $(READY) ## Find or build pulumi, BuildKit, buildx, a registry
	@$(DEVENV) tools

.PHONY: local-up
local-up: $(READY) ## Start the local builder and registry
	@$(DEVENV) start

.PHONY: down
down: $(READY) ## Stop the local builder and registry; their data stay
	@$(DEVENV) down

.PHONY: test
test: $(READY) tools ## Set up, run all tests
	@$(VENV)/bin/pytest $(PARALLEL) -m "not slow"

.PHONY: test-unit
test-unit: $(READY) ## Run the fast tests only
	@$(VENV)/bin/pytest $(PARALLEL) tests/unit

.PHONY: test-docker
test-docker: $(READY) tools ## Do as a user who has Docker and is not root, with a private Docker
	@$(VENV)/bin/python -m tests.docker

.PHONY: test-adopt
test-adopt: $(READY) tools ## Do as a repository of somebody else's that calls the workflows (TESTS=)
	@$(VENV)/bin/python -m tests.adopt $(TESTS)

.PHONY: test-production
test-production: $(READY) tools ## Log in, get private modules, look for leaks, build anew elsewhere, with real servers
	@$(VENV)/bin/pytest tests/production tests/engine/test_reproducible.py
	@CARBIDE_ORACLE_ROUNDS=$(or $(ROUNDS),40) $(VENV)/bin/pytest tests/engine/test_oracle.py \
	  tests/unit/source/test_random_trees.py

.PHONY: test-look
test-look: $(READY) ## Render the reports as GitHub and a browser show them, pictures in .local/look
	@$(VENV)/bin/python -m tests.look $(SCENES)

.PHONY: test-faults
test-faults: $(READY) tools ## Kill, fill, cut and damage what updates need, and feed them hostile input (RUNS=, EXAMPLES=)
	@CARBIDE_FAULT_RUNS=$(or $(RUNS),1) CARBIDE_HOSTILE_EXAMPLES=$(or $(EXAMPLES),250) \
	  $(VENV)/bin/pytest -m "slow or not slow" tests/faults tests/unit/hostile

.PHONY: test-mutation
test-mutation: $(READY) ## Find mistakes that no unit test notices (ALL=1, MODULES=, MINUTES=, JOBS=, TESTS=)
	@$(VENV)/bin/python -m tests.mutation --memory $(CACHE)/test-lines $(if $(ALL),--all) \
	  $(if $(MINUTES),--minutes $(MINUTES)) $(if $(JOBS),--jobs $(JOBS)) $(if $(TESTS),--tests "$(TESTS)") $(MODULES)

.PHONY: lint
lint: export MYPY_CACHE_DIR ?= $(CACHE)/mypy
lint: $(READY) ## Check style, types, who imports whom, what is generated, Dockerfiles, workflows
	@$(VENV)/bin/python -m tools.generate --check
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/mypy examples/deployment/__main__.py
	@$(VENV)/bin/lint-imports --no-logo --no-cache
	@$(VENV)/bin/hadolint docker/production/Dockerfile.* devenv/docker/Dockerfile.*
	@$(DEVENV) lint-workflows
	@$(VENV)/bin/zizmor --offline --no-progress -qq .github

.PHONY: generate
generate: $(READY) ## Write what follows from other files: config, JSON Schemas, tables, expected reports
	@$(VENV)/bin/python -m tools.generate

.PHONY: wheels
wheels: $(READY) ## Build both distributions into dist/: what consumers install, and the program
	@rm -f dist/*.whl
	@$(VENV)/bin/pip --quiet wheel --no-deps --no-index --no-build-isolation --wheel-dir dist ./consumer .
	@ls dist/*.whl

.PHONY: lock
lock: $(READY) ## Write requirements.txt anew from pyproject.toml
	@$(VENV)/bin/python -m tools.lock

.PHONY: upgrade
upgrade: $(READY) ## Move the engine's pins together (PULUMI=, PROVIDER=, BUILDX=, BUILDKIT=; else the newest)
	@$(VENV)/bin/python -m tools.upgrade $(if $(PULUMI),pulumi=$(PULUMI)) $(if $(PROVIDER),provider=$(PROVIDER)) \
	  $(if $(BUILDX),buildx=$(BUILDX)) $(if $(BUILDKIT),buildkit=$(BUILDKIT))

.PHONY: pin-actions
pin-actions: $(READY) ## Pin the workflows' actions to their newest releases
	@$(VENV)/bin/python tools/pin_actions.py

.PHONY: clean
clean: $(if $(or $(PROJECT),$(wildcard .local)),$(READY)) ## Stop everything and delete this checkout's local state, its registry too
	@if [ -e "$${PROJECT:-.}/.local" ]; then $(DEVENV) clean; fi
	@$(if $(PROJECT),,rm -rf $(VENV))

$(READY): pyproject.toml consumer/pyproject.toml requirements.txt tools/bootstrap tools/make_environment.py
	@tools/bootstrap $(VENV) requirements.txt >&2
	@touch $@
