# `make` lists what there is. Every target may be run on a fresh checkout.

PREFIX ?= $(HOME)/.local

# Fetches DuckDB when it is not there, and puts the cargo options that the build needs in $$features.
SETUP := features=$$(scripts/fetch-duckdb)

# Many tests wait for a server, a clock or a disk.
TEST_THREADS := $(shell echo $$(( $$(getconf _NPROCESSORS_ONLN) * 3 / 2 )))

.PHONY: help cargo setup build demo test conformance install bench lint deny clean

help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## \(.*\)/  make \1	\2/p' $(MAKEFILE_LIST) | expand -t 20

cargo:
	@command -v cargo >/dev/null || { echo "cargo is not on the PATH; Rust and cargo are at https://rustup.rs" >&2; exit 1; }

setup: cargo ## fetch the prebuilt DuckDB; costs nothing when it is there
	@$(SETUP)

build: cargo ## compile a debug build
	@$(SETUP) && cargo build --locked $$features

# Exit code 3 says that the run ended and that some records failed; the tables show which.
demo: cargo ## run the example pipeline on the built-in simulator, and show the rows
	@$(SETUP) && \
	etl() { cargo run --quiet --locked $$features -- "$$@"; } && \
	{ etl run pipelines/extract.yaml --offline || [ $$? -eq 3 ]; } && \
	echo && echo "What was extracted:" && \
	etl sql data/library.duckdb "SELECT path, category, difficulty, confidence_score, model FROM metadata ORDER BY path LIMIT 12" && \
	echo && echo "What was rejected, and why:" && \
	etl sql data/library.duckdb "SELECT path, reason FROM rejected ORDER BY path" && \
	echo && echo "Run it again: no request is sent, because the answers are in the ledger. To start over, delete data/library.duckdb."

test: lint ## check format and lints, then run all tests
	@$(SETUP) && \
	if cargo nextest --version >/dev/null 2>&1; then \
		cargo nextest run --locked --test-threads $(TEST_THREADS) $$features && cargo test --doc --locked $$features; \
	else \
		cargo test --locked $$features; \
	fi

conformance: cargo ## test against the official clients and the published document (docs/testing.md)
	@$(SETUP) && cargo build --locked $$features && \
	tests/conformance/run "$${CARGO_TARGET_DIR:-target}/debug/etl"

install: cargo ## install a release build below PREFIX (~/.local)
	@$(SETUP) && \
	cargo install --locked --path . --root "$(PREFIX)" --no-track --force $$features && \
	if [ -z "$$features" ]; then \
		mkdir -p "$(PREFIX)/lib/etl" && \
		for library in "$${DUCKDB_LIB_DIR:-.duckdb}"/libduckdb.so "$${DUCKDB_LIB_DIR:-.duckdb}"/libduckdb.dylib; do \
			[ ! -e "$$library" ] || install -m 755 "$$library" "$(PREFIX)/lib/etl" || exit 1; \
		done; \
	fi

bench: cargo ## run the benchmarks
	@$(SETUP) && cargo bench --locked $$features

lint: cargo ## check format, lints and the crate's documentation
	@cargo fmt --check
	@$(SETUP) && cargo clippy --all-targets --locked $$features -- -D warnings && \
	RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --locked $$features

deny: cargo ## check licences and advisories of the dependencies (needs cargo-deny)
	@cargo deny check

clean: cargo ## remove what was compiled; data/ and .duckdb/ stay
	@cargo clean
