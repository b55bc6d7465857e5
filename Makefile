# Kagami. `make run` builds it and runs it on the bundled capture; `make test`
# runs the tests; `make help` lists the rest. Needs Go and make only.

GO ?= go
VERSION ?= $(shell git -c safe.directory='*' describe --tags --always --dirty 2>/dev/null || echo devel)
FUZZTIME ?= 20s
RUNS ?= 7
STATICCHECK := honnef.co/go/tools/cmd/staticcheck@v0.8.2

# A static program that needs no time zone files on the box.
export CGO_ENABLED := 0
BUILD := $(GO) build -trimpath -buildvcs=false -tags timetzdata -ldflags '-s -w -X main.version=$(VERSION)'

.PHONY: help build run test race bench bench-live bench-evidence bench-delivery fuzz generate check-generated lint live-test integration integration-tools cross check corpus agree detection-report squid-twin genuine-captures clean

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS="$$(printf '\t')" read -r t d; do printf '%-16s %s\n' "$$t" "$$d"; done

build: ## bin/kagami
	$(BUILD) -o bin/kagami ./cmd/kagami

ifdef IFACE
run: build ## on the bundled capture into out/office; live with IFACE=eth1 (root) into out/live
	bin/kagami run -i '$(IFACE)' --set 'export=[$(subst @,$(CURDIR)/out/live,$(LIVE_EXPORTS))]'
else
run: build
	bin/kagami read -o out/office testdata/office/in.pcap.zst
endif

# The files of `kagami read -o`, for a run without a configuration.
LIVE_EXPORTS := {format="ecs", to="file://@/records.jsonl"}, \
	{format="ecs", to="file://@/alerts.jsonl", records=["alert"]}, \
	{format="squid", to="file://@/access.log"}, \
	{format="squid-combined", to="file://@/access-combined.log"}, \
	{format="netscreen", to="file://@/traffic.log"}, \
	{format="bind", to="file://@/queries.log"}, \
	{format="postfix", to="file://@/mail.log"}

test: ## all tests that need no root
	$(GO) test ./...

race: ## the tests under the race detector, which needs a C compiler
	@if command -v $$($(GO) env CC) >/dev/null; then CGO_ENABLED=1 $(GO) test -race ./...; \
	else echo 'race: skipped: no C compiler'; fi

live-test: ## the tests that need root: packet sockets, network namespaces, mounts
	@[ "$$(id -u)" = 0 ] || { echo 'live-test needs root: sudo make live-test'; exit 1; }
	KAGAMI_LIVE=1 $(GO) test -count=1 ./bpf/...
	KAGAMI_LIVE=1 $(GO) test -count=1 -run Live ./capture/... ./evidence/... ./exporters/... ./cmd/...

# RUN= picks tests by the names behind TestIntegration: RUN=Kafka. KAGAMI_INTEGRATION=all
# makes a missing server a failure.
integration: ## records through real servers: rsyslog, syslog-ng, Kafka, NATS, ClickHouse, OpenSearch ...; RUN=Kafka
	$(GO) run ./lab/cmd/integration $(if $(RUN),-run '$(RUN)') $(ARGS)

integration-tools: ## get the servers that are missing; unpacked below out/integration, nothing is installed
	$(GO) run ./lab/cmd/integration -tools

fuzz: ## every fuzz target for FUZZTIME (20s)
	@for pkg in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
			$(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$pkg || exit 1; \
		done; \
	done

# FILE= names another capture, plain pcap because tcpdump reads no other.
BENCH_FILE := $(or $(FILE),out/bench.pcap)
bench: build $(if $(FILE),,out/bench.pcap) ## CPU and memory against tcpdump, then Go benchmarks; FILE=/path/to.pcap, RUNS=7
	$(GO) run ./lab/cmd/bench -kagami bin/kagami -file '$(BENCH_FILE)' -n $(RUNS)
	KAGAMI_BENCH_FILE='$(abspath $(BENCH_FILE))' $(GO) test -run '^$$' -bench . -benchmem ./packet ./sensor
	KAGAMI_BENCH_FILE='$(abspath $(BENCH_FILE))' $(GO) test -run '^$$' -bench . -benchtime 3s ./cmd/kagami

bench-live: build ## CPU against a bare ring reader on a veth pair; root
	$(GO) run ./lab/cmd/benchlive -kagami bin/kagami

# GIB= of packets are written below STORE once, and stay there.
GIB ?= 20
STORE ?= out/store
bench-evidence: build $(if $(FILE),,out/bench.pcap) ## finding packets in a big store, and what writing costs; FILE=/path/to.pcap GIB=20 STORE=out/store
	$(GO) run ./lab/cmd/benchevidence -kagami bin/kagami -file '$(BENCH_FILE)' -gib $(GIB) -dir '$(STORE)'
	$(GO) test -run '^$$' -bench 'Writer|Sequential' -count 3 ./evidence
	$(GO) test -run '^$$' -bench . ./evidence/index ./evidence/segment ./evidence/query

# KAFKA= is a real broker with the topic kagami, else a stand-in. FULL=1 lets a
# million lines wait for every place, and writes a day's outage besides.
bench-delivery: ## records to every place: CPU, memory behind a dead one, octets to the disk; KAFKA=host:port FULL=1
	$(GO) run ./lab/cmd/benchdelivery $(if $(KAFKA),-kafka '$(KAFKA)') $(if $(FULL),-full)
	$(if $(FULL),KAGAMI_OUTAGE=full $(GO) test -count=1 -timeout 2h -v -run '^TestOutage$$' ./exporters/spool)

out/bench.pcap: lab/scenarios/office.toml
	$(GO) run ./lab/cmd/bench -make $@

corpus: build ## read every capture under DIR, with several workers and batch sizes
	$(GO) run ./lab/cmd/corpus -kagami bin/kagami -dir '$(DIR)'

agree: build ## compare with tshark and others' results over the captures under DIR
	$(GO) run ./lab/cmd/agree -kagami bin/kagami -dir '$(DIR)' $(if $(EXPECTED),-expected '$(EXPECTED)') $(if $(TSHARK),-tshark '$(TSHARK)')

# ARGS=-full takes all held-out seeds, as published (under an hour); -quick seconds.
detection-report: ## docs/detection-report.md: recall, false alerts, cost on generated networks, beside other tools' rules; ARGS=-full
	$(GO) run ./lab/cmd/detectionreport $(ARGS)

squid-twin: build ## access.log against the one that a real Squid writes of the same traffic; root, Debian's squid
	$(GO) run ./lab/cmd/squidtwin -kagami bin/kagami

genuine-captures: ## testdata/{dhcp,smtp,tls...} again, from Debian's servers and clients; CASES=smtp,ftp; root
	$(GO) run ./lab/cmd/genuine -o testdata $(if $(CASES),-only '$(CASES)')
	@echo 'then: go test ./cmd/kagami -run Cases -update, and read what it changes'

generate: ## make testdata/office, and the eBPF programs (clang-14, llvm-strip-14), again
	$(GO) generate ./bpf/
	$(GO) run ./lab/cmd/lab -o testdata/office

check-generated: ## what is generated must be what is committed
	@dir=$$(mktemp -d) && trap 'rm -rf "$$dir"' EXIT && $(GO) run ./lab/cmd/lab -o "$$dir" >/dev/null && \
	for f in in.pcap.zst truth.json; do \
		cmp "$$dir/$$f" testdata/office/$$f || { echo 'check-generated: run make generate and commit what it changes'; exit 1; }; \
	done
	$(GO) test -count=1 -v -run '^TestGenerated$$' ./bpf/

lint: ## gofmt, go vet, staticcheck, and the rules of imports
	@unformatted=$$(gofmt -l .) && [ -z "$$unformatted" ] || { echo "lint: not formatted: $$unformatted"; exit 1; }
	$(GO) vet ./...
	@if GOFLAGS= $(GO) run $(STATICCHECK) -version >/dev/null 2>&1; then \
		echo '$(GO) run $(STATICCHECK) ./...'; GOFLAGS= $(GO) run $(STATICCHECK) ./...; \
	else echo 'lint: staticcheck skipped: the module proxy does not serve it'; fi
	$(GO) test -run 'Imports|Sources|OneWay' ./cmd/kagami

cross: ## bin/kagami-linux-{amd64,arm64,arm}
	GOOS=linux GOARCH=amd64 $(BUILD) -o bin/kagami-linux-amd64 ./cmd/kagami
	GOOS=linux GOARCH=arm64 $(BUILD) -o bin/kagami-linux-arm64 ./cmd/kagami
	GOOS=linux GOARCH=arm GOARM=7 $(BUILD) -o bin/kagami-linux-arm ./cmd/kagami
	GOOS=linux GOARCH=arm GOARM=7 $(GO) vet ./... # 32 bits, tests included

check: lint test check-generated cross ## all that must pass before a commit

clean: ## remove what make made
	rm -rf bin out
