# What can be done here. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help run test package build ci e2e bench load counts counts-accept

# What the functions are built for: x86_64 or arm64, as the template's parameter Architecture says.
ARCHITECTURE ?= x86_64
# Each package in functions/ is one function.
FUNCTIONS := $(notdir $(wildcard functions/*))
LAMBDA_TARGET := $(ARCHITECTURE:arm64=aarch64)-unknown-linux-gnu
LAMBDA_DIR := $(or $(CARGO_TARGET_DIR),target)/lambda/$(ARCHITECTURE)

# The carrier's published description, for `make e2e`.
export CARRIER_DESCRIPTION

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Run the whole bundle on this machine; stop it with Ctrl-C
	cargo run

test: ## Run every test; needs nothing but Rust and a C compiler
	cargo test --workspace

package: build ## Build all functions for Lambda and say how large they are (ARCHITECTURE=arm64 or x86_64)
	@wc -c $(FUNCTIONS:%=$(LAMBDA_DIR)/%/bootstrap)

# All of them in one go: what they share is compiled once, and the links run beside each other. cargo-lambda links
# against the C library that Lambda has, not against the newer one that this machine may have.
# AWS-LC seeds its random numbers from the kernel alone: otherwise it also measures the processor's jitter at each start, for tens of
# milliseconds of every cold start.
build bench load: export AWS_LC_SYS_NO_JITTER_ENTROPY := 1
build:
	cargo lambda build --release --locked --target $(LAMBDA_TARGET) --lambda-dir $(LAMBDA_DIR) $(FUNCTIONS:%=--package %)

# What `sam build` asks for, once for each function, with the function's name in the template: build-KybNotifier puts
# the program of functions/kyb-notifier where SAM wants it, and so does build-KybNotifierRepeat, were there a second
# entrance of that name. After the first one there is nothing left to build.
build-%: build
	name=$$(echo $* | sed 's/\(.\)\([A-Z]\)/\1-\2/g' | tr A-Z a-z); [ -d functions/$$name ] || name=$${name%-*}; \
	  cp $(LAMBDA_DIR)/$$name/bootstrap $(ARTIFACTS_DIR)/bootstrap

ci: ## Run the gate that every change passes
	.ci/run

e2e: ## Check the bundle with other people's tools (CARRIER_DESCRIPTION=/path/to/openapi.yml)
	e2e/run

# One processor for everything. The functions are built by themselves, as they are deployed: what the measuring program
# needs of their libraries must not get into them.
ONE_PROCESSOR := $(if $(shell command -v taskset),taskset -c 0)

# The functions in other languages, each in a folder with its SDK. The last step is the copy of the function: where its language or
# the registry is missing, there is none, and the measurement goes on without it.
BENCH_NODE := $(or $(CARGO_TARGET_DIR),target)/bench-node
BENCH_PYTHON := $(or $(CARGO_TARGET_DIR),target)/bench-python

$(BENCH_NODE)/function.mjs: $(wildcard bench/node/*)
	rm -rf $(@D) && mkdir -p $(@D) && cp bench/node/*.json $(@D)
	npm ci --prefix $(@D) --ignore-scripts --no-audit --no-fund --loglevel error && cp bench/node/*.mjs $(@D) || \
	  echo "bench: NODE.JS IS NOT MEASURED: npm is missing, or it cannot install the SDK" >&2

$(BENCH_PYTHON)/function.py: $(wildcard bench/python/*)
	rm -rf $(@D) && mkdir -p $(@D)
	python3 -m pip install --quiet --no-deps --require-hashes --only-binary :all: --target $(@D) \
	  -r bench/python/requirements.txt && cp bench/python/*.py $(@D) || \
	  echo "bench: PYTHON IS NOT MEASURED: python3 or pip is missing, or it cannot install the SDK" >&2

bench: $(BENCH_NODE)/function.mjs $(BENCH_PYTHON)/function.py
bench: ## Measure the functions against bare ones and other languages, into docs/performance.md (BENCH=short: a quick run)
	cargo build --release --locked -p numbers -p credits
	cargo build --release --locked -p local
	cargo build --release --locked -p bench
	$(ONE_PROCESSOR) $(or $(CARGO_TARGET_DIR),target)/release/bench $(BENCH)
	$(or $(CARGO_TARGET_DIR),target)/release/load cost

load: ## Drive the local run's API for a minute, into docs/performance.md (LOAD=short or LOAD_SECONDS=600)
	cargo build --release --locked -p local
	cargo build --release --locked -p ops
	cargo build --release --locked -p bench
	$(or $(CARGO_TARGET_DIR),target)/release/load $(LOAD) $(if $(LOAD_SECONDS),--seconds $(LOAD_SECONDS))

# The function as it is deployed. Unoptimised, the rest is what the tests need, too.
COUNTED := $(LAMBDA_DIR)/numbers/bootstrap
COUNTS := $(or $(CARGO_TARGET_DIR),target)/debug/bench

counts: build ## Count the instructions of the hot paths, and fail where they have risen (needs valgrind and cargo-lambda)
	cargo build --locked --workspace
	$(COUNTS) counts $(COUNTED)

counts-accept: build ## Write these counts down; what rises needs a reason: WHY='…'
	cargo build --locked --workspace
	$(COUNTS) accept-counts $(COUNTED) "$$WHY"
