# What a developer and CI run. `make help` lists it.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL: # two cores; each step uses them all

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
VERSION_VAR := github.com/regsweep/regsweep/internal/cli.version

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/regsweep: static, reproducible, with its version in it.
	CGO_ENABLED=0 go build -trimpath -ldflags '-s -w -X $(VERSION_VAR)=$(VERSION)' -o bin/regsweep ./cmd/regsweep

# The fastest checks first. What a machine lacks is built or installed on the way.
.PHONY: test
test: lint vuln mutants ## Everything that CI runs: lint, vuln, mutants, all tests with the race detector, random worlds, short fuzzing.
	scripts/need-aws
	scripts/deploy-tools >/dev/null
	REGSWEEP_KUBE_BIN=$$(scripts/kube-binaries) scripts/test

.PHONY: unit
unit: ## All tests, quickly: no race detector, results may come from the cache.
	go test ./...

.PHONY: lint
lint: ## gofmt, go vet and golangci-lint.
	@unformatted=$$(gofmt -l */); [[ -z $$unformatted ]] || { echo "not as gofmt writes it:"; echo "$$unformatted"; exit 1; }
	go vet ./...
	"$$(scripts/tools)/golangci-lint" config verify
	"$$(scripts/tools)/golangci-lint" run

.PHONY: vuln
vuln: ## govulncheck; see scripts/vulncheck for machines without the internet.
	scripts/vulncheck

.PHONY: fuzz
fuzz: ## Fuzz every target for a while: make fuzz FUZZTIME=60 (seconds each).
	FUZZTIME=$${FUZZTIME:-30} FUZZTOTAL=$${FUZZTOTAL:-86400} scripts/fuzz

.PHONY: model
model: ## Whole runs in random worlds, judged by an oracle: make model WORLDS=200000 (nightly).
	go test ./internal/model -run TestModel -count=1 -v -timeout 24h -model.worlds=$${WORLDS:-2000}

.PHONY: mutants
mutants: ## Break the program in its most dangerous lines, one by one; tests must notice each.
	go run ./scripts/mutants

.PHONY: bench
bench: ## Whole runs on accounts with a latency and with quotas, as a table; then the pure stages.
	go run ./internal/bench -growth
	go run ./internal/bench -repositories 200 -images 500
	go run ./internal/bench -repositories 300 -images 500 -quota 100
	scripts/bench-stages

.PHONY: bench-compare
bench-compare: ## The pure stages against the checked-in baseline. A new one: scripts/bench-stages > internal/bench/baseline.txt
	@mkdir -p .cache
	scripts/bench-stages > .cache/stages.txt
	"$$(scripts/tools)/benchstat" internal/bench/baseline.txt .cache/stages.txt

.PHONY: golden
golden: ## Write the golden files anew; then look at the difference.
	go test $$(scripts/golden-packages) -update

.PHONY: clean
clean: ## Remove what was built here (.cache, bin, dist).
	rm -rf .cache bin dist
