# make help lists the targets. Everything that is fetched or made goes to .cache,
# which git ignores.

GO        ?= go
PKG       ?= ./...
API       ?= ./...
TESTFLAGS ?=
ROW       ?=
RUNS      ?= 1
ACCEPT    ?=
FUZZTIME  ?= 30s
FUZZ      ?= .
SOAK      ?=
FLOOD     ?=
THRESHOLD ?= 90
PICTURES  ?= .cache/pictures
DOCS      ?=
FAULTS    ?= .

# What needs modules that nobody else should get is a module of its own. Each is
# tested and linted for being there.
MODULES = $(sort $(patsubst ./%/go.mod,%,$(shell find . -mindepth 2 \( -name .cache -o -name testdata \) -prune -o -mindepth 2 -name go.mod -print)))

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
BIN         = .cache/bin

# $(call in,DIRECTORY,COMMAND) is a line of a recipe.
define in
	cd $(1) && $(2)

endef

.DEFAULT_GOAL := help
.PHONY: help test api browser pictures lint bench counts cost fuzz soak soak-aws soak-postgres flood cover mutate tools with-servers

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

test: tools  ## run all tests, with the real servers that can be had; TESTFLAGS=-race, PKG=./bulk
	$(BIN)/testservers -- $(MAKE) --no-print-directory with-servers

with-servers:
	$(BIN)/testreport $(TESTFLAGS) $(PKG)
	$(if $(filter ./...,$(PKG)),$(MAKE) --no-print-directory -j2 -Otarget $(MODULES:%=test-in/%))

# SQLite as Go code takes the race detector minutes to build.
test-in/%:
	cd $* && $(CURDIR)/$(BIN)/testreport $(if $(filter examples/sqlitestore,$*),$(filter-out -race,$(TESTFLAGS)),$(TESTFLAGS)) ./...

api: tools  ## run the tests of the HTTP contract and of the OpenAPI document; API=./contracttest
	cd internal/test/api && $(CURDIR)/$(BIN)/testservers -cache $(CURDIR)/.cache -- $(CURDIR)/$(BIN)/testreport $(TESTFLAGS) $(API)

browser: tools  ## run the tests of the administrator's page in Chromium; TESTFLAGS='-race -run Mend'
	cd internal/test/browser && $(CURDIR)/$(BIN)/testservers -cache $(CURDIR)/.cache -only dynoxide,versitygw,axe-core,chromium -- \
		$(CURDIR)/$(BIN)/testreport $(TESTFLAGS) ./...

pictures: tools  ## make a picture of each view of the administrator's page; PICTURES=folder, DOCS=docs/console for those of the documents
	cd internal/test/browser && $(CURDIR)/$(BIN)/testservers -cache $(CURDIR)/.cache -require -only axe-core,chromium -- \
		$(GO) test -count=1 -run '^TestViews$$' . -pictures $(abspath $(PICTURES)) -docs '$(if $(DOCS),$(abspath $(DOCS)))'

lint:  ## check formatting, go vet, staticcheck
	@unformatted=$$(find . -path ./.cache -prune -o -name '*.go' -print | xargs gofmt -l); \
	if [ -n "$$unformatted" ]; then echo "not formatted by gofmt:"; echo "$$unformatted"; exit 1; fi
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) run $(STATICCHECK) ./...
	$(foreach module,$(MODULES),$(call in,$(module),$(GO) mod tidy -diff && $(GO) vet ./... && $(GO) run $(STATICCHECK) ./...))

bench: tools  ## measure the goals of docs/performance.md and write it; ROW=S9 for one, RUNS=3 for medians
	$(BIN)/testservers -- $(GO) run ./internal/cmd/bench -row '$(ROW)' -runs $(RUNS)

counts: tools  ## run what bench runs, in short, and compare what does not depend on the machine; ACCEPT=1 takes it as it is
	$(BIN)/testservers -- $(GO) run ./internal/cmd/bench -counts -row '$(ROW)' $(if $(ACCEPT),-accept)

cost: tools  ## count what imports cost, and write the table in docs/operations.md
	$(BIN)/testservers -aws -- $(GO) run ./internal/cmd/cost

fuzz:  ## run every fuzz target for FUZZTIME (30s); FUZZ=Cursor, PKG=./httpapi
	@set -e; targets=$$($(GO) test -list '^Fuzz.*($(FUZZ))' $(PKG)); \
	echo "$$targets" | awk '/^Fuzz/ { names[n++] = $$1 } /^ok/ { for (i = 0; i < n; i++) print $$2, names[i]; n = 0 }' | \
	while read -r package target; do \
		echo "$$target of $$package, $(FUZZTIME)"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$package"; \
	done

soak: soak-aws soak-postgres  ## kill, stop and restart real processes while they import; SOAK=-quick for a minute of it

soak-aws: tools
	@mkdir -p .cache
	@$(GO) build -o $(BIN)/ ./internal/cmd/soak
	$(BIN)/testservers -require -only dynoxide,versitygw -- $(BIN)/soak -dir .cache $(SOAK)

# Who runs Postgres for root comes through to the folder of temporary files, and often not to .cache.
soak-postgres: tools
	@cd internal/cmd/pgsoak && $(GO) build -o $(CURDIR)/$(BIN)/ .
	$(BIN)/testservers -require -only postgres -- $(BIN)/pgsoak -dir "$${TMPDIR:-/tmp}" $(SOAK)

flood: tools  ## send 64 large or hostile bodies at once, of each kind, to a server of 512 MB; FLOOD='-run CSV'
	@$(GO) build -o $(BIN)/ ./internal/cmd/flood ./examples/server
	$(BIN)/flood -server $(BIN)/server $(FLOOD)
	$(BIN)/testservers -require -only dynoxide,versitygw -- $(BIN)/flood -aws -server $(BIN)/server $(FLOOD)

# A line of the profile is "file:range statements count"; each of the two test
# programs has lines for all blocks of both packages.
cover:  ## measure what the tests of bulk and httpapi cover of both; less than THRESHOLD=90 percent of either fails
	@mkdir -p .cache
	$(GO) test -coverpkg ./bulk,./httpapi -coverprofile .cache/cover.out ./bulk ./httpapi
	@awk -v least=$(THRESHOLD) '/^mode:/ { next } { size[$$1] = $$2; hits[$$1] += $$3 } END { \
		for (block in size) { \
			package = block; sub("/[^/]*$$", "", package); \
			all[package] += size[block]; if (hits[block] > 0) covered[package] += size[block] } \
		for (package in all) { \
			percent = 100 * covered[package] / all[package]; bad = percent < least; failed = failed || bad; \
			printf "%s: %.1f %% of statements%s\n", package, percent, bad ? ", less than " least " %" : "" } \
		exit failed }' .cache/cover.out
	@echo "go tool cover -html .cache/cover.out shows which are not"

mutate: tools  ## plant faults and report whether the tests notice; FAULTS=dynamostore.*token
	$(BIN)/testservers -- $(GO) run ./internal/cmd/mutate -run '$(FAULTS)'

tools:
	@$(GO) build -o $(BIN)/ ./internal/cmd/testservers ./internal/cmd/testreport
