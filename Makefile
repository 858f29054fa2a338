# The commands that people and CI use; each is a script or a cargo call of its own. `make` lists them.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo test bench docs fuzz fmt lint e2e-full

help: ## what can be made
	@sed -n 's/^\([a-zA-Z0-9%-]*\):.*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 22

demo: demo-quickstart ## one powered-off machine to a running Debian and back, with the real terraform
demo-%: ## the same for examples/NAME
	@scripts/demo.sh $*

test: ## every test that CI runs, fast levels first
	@scripts/test.sh

bench: ## the benchmarks beside their peers
	@scripts/bench.sh

docs: ## the generated provider documentation
	@scripts/docs.sh

fuzz: ## minutes of fuzzing for each target
	@scripts/fuzz.sh

e2e-full: ## what is too slow for every run
	@scripts/e2e-full.sh

fmt: ## format the code
	@cargo fmt --all

lint: ## rustfmt, clippy and deny.toml
	@scripts/test.sh lint
