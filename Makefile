# What can be done here. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help run test ci e2e

# The carrier's published description, for `make e2e`.
export CARRIER_DESCRIPTION

help: ## List these verbs
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## Run the whole bundle on this machine; stop it with Ctrl-C
	cargo run

test: ## Run every test; needs nothing but Rust and a C compiler
	cargo test --workspace

ci: ## Run the gate that every change passes
	.ci/run

e2e: ## Check the bundle with other people's tools (CARRIER_DESCRIPTION=/path/to/openapi.yml)
	e2e/run
