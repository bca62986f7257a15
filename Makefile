# The two commands that matter: `go run ./cmd/curfewd dev` runs Curfew, `make test` passes its tests.
GO   ?= go
LINT := $(GO) tool -modfile=tools/lint/go.mod golangci-lint
GEN  := $(GO) tool -modfile=tools/gen/go.mod

.PHONY: help check test nightly crash canary planted-bugs lessons bench lint generate build

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## curfew and curfewd into bin/
	$(GO) build -trimpath -o bin/ ./cmd/...

check: ## Before each commit: build, vet, lint, and the tests that need no server
	$(GO) run ./internal/ci check

test: ## Everything, with every peer, as CI does; installs and starts what it needs
	$(GO) run ./internal/ci test

nightly: ## What is too long for make test: fuzzing, 100,000 runs of the simulation
	$(GO) run ./internal/ci nightly

crash: ## Kill curfewd around every commit and every driver call of a grant's life
	$(GO) test -count=1 -v -run '^TestCrash$$' ./internal/crash

canary: ## Plant a secret wherever one can be, lead all through every journey, and search for them everywhere
	$(GO) test -count=1 -v -run '^(TestCanary|TestLeaksAreFound|TestAccidentsTellNothing)$$' ./internal/canary

planted-bugs: ## Break nineteen rules in turn; the simulation must notice each
	$(GO) test -count=1 -v -tags plantedbugs -run '^TestPlantedBugs$$' ./internal/simulation

lessons: ## What has gone wrong elsewhere, and the tests that keep it from going wrong here
	$(GO) run ./internal/ci lessons

bench: ## Measure, in turn with the limits of the machine; BENCH=-quick for a first look, BENCH='-only 3,5' for some
	$(GO) run ./bench $(BENCH)

lint: ## The linters alone
	$(LINT) run ./...

generate: ## The OpenAPI document and the client made from it
	$(GO) generate ./...
