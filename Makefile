# Lockstep's commands. `make` lists them. They need Go and make, nothing else; what is optional says so when it is missing.
# Written for GNU make 3.81 (macOS) and a POSIX sh.

GO      ?= go
DIR     ?= ./data
NODES   ?= 3
ARGS    ?=
FUZZ    ?= 10m

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)
COMMIT  := $(shell git rev-parse --short=12 HEAD 2>/dev/null)
BUILD   := github.com/lockstepdb/lockstep/cmd/lockstep/internal/build
LDFLAGS := -X $(BUILD).version=$(VERSION) -X $(BUILD).commit=$(COMMIT)

TOOLS     := $(CURDIR)/bin/tools
PLATFORMS := linux/amd64 linux/arm64 darwin/arm64

.DEFAULT_GOAL := help
.PHONY: help up down build run lint fmt test test-quick cover fuzz generate verify clean tools check sim sim-bugs chaos failover vuln generated cross no-replace

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/\1	\2/p' $(MAKEFILE_LIST) | while IFS='	' read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

up: build ## start a cluster on this machine and follow it (NODES=3 DIR=./data ARGS=...)
	@bin/lockstep up --dir $(DIR) $(if $(filter-out file,$(origin NODES)),--nodes $(NODES)) $(ARGS)

down: build ## stop the cluster that `make up` started; its data stays
	@bin/lockstep down --dir $(DIR)

build: ## build bin/lockstep
	@mkdir -p bin
	$(GO) build -trimpath -buildvcs=false -ldflags '$(LDFLAGS)' -o bin/lockstep ./cmd/lockstep

run: build ## run the binary (ARGS="serve --config FILE")
	@bin/lockstep $(ARGS)

fmt: ## format the code
	gofmt -w $$(find . -name '*.go' -not -path './.git/*' -not -path './bin/*')

lint: tools vuln ## gofmt, go vet, staticcheck, govulncheck
	@unformatted=$$(gofmt -l $$(find . -name '*.go' -not -path './.git/*' -not -path './bin/*')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run make fmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	cd tools && $(GO) vet ./...
	$(TOOLS)/staticcheck ./...

vuln: tools # known vulnerabilities; without the network this cannot be told
	@scripts/vuln.sh $(TOOLS)/govulncheck

test: ## run all tests and fuzz every target for a moment; with the race detector where it works
	@$(GO) run ./scripts/gotest -fuzz 60s -- -timeout 15m ./...

test-quick: ## the tests that take less than a minute together
	@$(GO) run ./scripts/gotest -race off -- -short -timeout 2m ./...

cover: ## run all tests and print what they cover
	@mkdir -p bin
	$(GO) test -short -coverprofile bin/cover.out -coverpkg ./... ./...
	@$(GO) tool cover -html bin/cover.out -o bin/cover.html
	@$(GO) tool cover -func bin/cover.out | tail -1
	@echo "see bin/cover.html"

fuzz: ## fuzz every target, together for FUZZ=10m
	@$(GO) run ./scripts/gotest -fuzz-only -fuzz $(FUZZ)

check: build ## judge the histories in linearizability/testdata and those of the last runs; reports in reports/check
	@mkdir -p reports/check
	@bin/lockstep check --quiet --known-answers --html reports/check/known/ --junit reports/check/known.xml linearizability/testdata/ok/* linearizability/testdata/bad/*
	@for kind in sim chaos; do \
		if [ -e reports/$$kind/last ]; then bin/lockstep check --html reports/check/$$kind.html --junit reports/check/$$kind.xml reports/$$kind/last || exit $$?; \
		else echo "no reports/$$kind/last: nothing to check there"; fi; \
	done
	@echo "see reports/check/known/index.html"

sim: build ## live clusters under faults in simulated time, for a minute on all cores (ARGS="--seeds 100 --from 4000"); reports in reports/sim
	@bin/lockstep sim $(ARGS)

sim-bugs: ## plant each known bug and count the seeds until the simulator finds it (ARGS="-starts 5 read-joins-round"); some hours on one core
	@$(GO) run ./sim/bugs/kill $(ARGS)

chaos: build ## real processes under real faults for two minutes, and a checked history (ARGS="--nodes 5 --for 10m --faults kill,pause"); reports in reports/chaos
	@bin/lockstep chaos $(if $(filter-out file,$(origin NODES)),--nodes $(NODES)) $(ARGS)

failover: build ## measure how long clients wait when the leader stops, and when it is killed (ARGS="-rounds 10 -stop-max 100ms -kill-max 1500ms"; above a bound it ends with 3)
	@$(GO) run ./scripts/failover -binary bin/lockstep $(ARGS)

generate: tools ## write the generated code and files again
	$(TOOLS)/protogen -in kv/kvpb -out kv/kvpb -plugins $(TOOLS)
	$(GO) generate ./...
	$(GO) run ./cmd/lockstep config example > deploy/lockstep.example.yaml.new
	mv deploy/lockstep.example.yaml.new deploy/lockstep.example.yaml

verify: lint generated cross no-replace ## everything but the tests: lint, generated code, platforms, import arrows, docs
	$(GO) test -count=1 .

generated: tools # generated code is what its sources give
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && \
	$(TOOLS)/protogen -in kv/kvpb -out "$$dir" -plugins $(TOOLS) && \
	for f in "$$dir"/*.go; do diff -u kv/kvpb/$$(basename $$f) $$f || { echo "run make generate"; exit 1; }; done && \
	$(GO) run ./cmd/lockstep config example | diff -u deploy/lockstep.example.yaml - || { echo "run make generate"; exit 1; }

cross: # every platform builds and is vetted
	@for p in $(PLATFORMS); do \
		echo "vet and build for $$p"; \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) vet ./... && \
		GOOS=$${p%/*} GOARCH=$${p#*/} CGO_ENABLED=0 $(GO) build -o /dev/null ./cmd/lockstep || exit 1; \
	done

no-replace: # what is built is what the module proxy serves
	@if grep -nE '^[[:space:]]*replace|^replace' go.mod; then echo "go.mod must not replace modules"; exit 1; fi

tools: # the pinned development tools, in bin/tools; fast when they are there
	@mkdir -p $(TOOLS)
	@cd tools && $(GO) build -o $(TOOLS)/ tool ./protogen

clean: ## remove what was built; never data
	rm -rf bin
