# The entry points of this repository. Each works on a fresh machine with cargo; `make test`
# installs the foreign phones that the tests need (Debian: sip-tester, baresip-core, linphone-cli).

CARGO ?= cargo
SEEDS ?= 1000
RACES ?= 20000
# Most tests wait for real phones rather than compute: more of them at once than there are cores.
THREADS ?= 6
CALLS ?= 20
SECONDS ?= 2
MEDIA ?=
MINUTES ?= 60
# The switch that cargo builds beside the tests: one of their own would compile half of it again.
BUILT = $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)/debug/strowger
TARGETS ?= $(notdir $(wildcard fuzz/corpus/*))

.PHONY: help run test lint deny bench bench-media sim races soak fuzz fuzz-minimise flood tools

help:
	@echo "make run    build and run the office of config/office.toml"
	@echo "make test   install what the tests need, then run them all"
	@echo "make lint   format, clippy, crate rules, licences"
	@echo "make deny   check advisories, licences and sources with cargo-deny, which is installed if need be"
	@echo "make bench  run the benchmarks and print their table"
	@echo "make bench-media  load the media relay, and rtpengine where it is installed: CALLS=$(CALLS) SECONDS=$(SECONDS) MEDIA=\"--veth --search\""
	@echo "make sim    run the simulated switch and call centre with SEEDS=$(SEEDS) seeds"
	@echo "make races  run each race of features RACES=$(RACES) times"
	@echo "make soak   keep the real switch busy for MINUTES=$(MINUTES), assert that nothing grows or stalls"
	@echo "make fuzz   run each fuzz target for SECONDS=60 (needs nightly and cargo-fuzz)"
	@echo "make flood  flood a switch with 50 calls up, from one and from many sources"

run:
	$(CARGO) run --release --package switch --bin strowger -- run --config config/office.toml

test: tools
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	STROWGER_BINARY=$(BUILT) RUST_TEST_THREADS=$(THREADS) $(CARGO) test --workspace

# Proof that the cores have no I/O: they compile and pass their tests without it.
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) test --package sip-stack --no-default-features
	$(CARGO) test --package media --no-default-features
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny check; \
	else echo "cargo-deny is not installed: advisories were not checked (make deny); make test has checked licences and sources."; fi

# Advisories, duplicate crates, licences and sources; the first time it builds cargo-deny, which takes minutes.
deny:
	@$(CARGO) deny --version >/dev/null 2>&1 || $(CARGO) install cargo-deny --locked
	$(CARGO) deny check

bench:
	$(CARGO) bench --package benches
	$(CARGO) build --release --package switch --bin strowger
	$(CARGO) run --release --package benches --bin load

bench-media:
	$(CARGO) run --release --package bench-media -- --calls $(CALLS) --seconds $(SECONDS) $(MEDIA)

sim:
	STROWGER_SEEDS=$(SEEDS) $(CARGO) test --release --package tests --test simulation --test race
	STROWGER_SHIFTS=$(SEEDS) $(CARGO) test --release --package acd --test shift

races:
	STROWGER_RACES=$(RACES) $(CARGO) test --release --package tests --test feature_race

soak:
	$(CARGO) build --release --package switch --bin strowger
	$(CARGO) run --release --package benches --bin soak -- --minutes $(MINUTES)

# Every target begins with its stored corpus; what it finds beyond stays outside of the repository
# until `make fuzz-minimise` has chosen what is worth keeping.
fuzz: SECONDS = 60
fuzz:
	@for target in $(TARGETS); do \
		mkdir -p fuzz/found/$$target && \
		$(CARGO) +nightly fuzz run $$target fuzz/found/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(SECONDS) -timeout=10 -print_final_stats=1 || exit 1; \
	done

fuzz-minimise:
	@for target in $(TARGETS); do \
		mkdir -p fuzz/found/$$target fuzz/least && \
		$(CARGO) +nightly fuzz run $$target fuzz/least fuzz/corpus/$$target fuzz/found/$$target -- \
			-merge=1 -max_len=4096 || exit 1; \
		rm -r fuzz/corpus/$$target && mv fuzz/least fuzz/corpus/$$target; \
	done

flood:
	STROWGER_FLOOD=1 $(CARGO) test --release --package tests --test guard flood -- --nocapture --test-threads=1

tools:
	@scripts/install-test-tools
