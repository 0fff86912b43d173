# The commands of this project. `make demo` and `make test` need a Rust toolchain and a C compiler; `make test` installs the
# Debian packages that it is missing (scripts/setup.sh).
CARGO ?= cargo
FUZZ_SECONDS ?= 60
export CARGO

.PHONY: help demo test relay-sees breaks lint fmt doc deny bench fuzz man setup install

help:
	@echo 'make demo     an ephemeral server, three terminals with real audio and a shared file: what each heard and received, the SIP ladder'
	@echo 'make test     the whole test suite; the last line is the sum'
	@echo 'make relay-sees  what a relay sees of terminals that do not seal (compiles the crate once more)'
	@echo 'make breaks   1 GiB through a relay with a kill in between, twenty times: the table of docs/channels.md'
	@echo 'make lint     formatting, clippy and documentation, as CI checks them'
	@echo 'make bench    the measurements of docs/ (takes minutes; wants a quiet machine)'
	@echo 'make fuzz     every fuzz target for FUZZ_SECONDS=$(FUZZ_SECONDS) (needs a nightly toolchain and cargo-fuzz)'
	@echo 'make man      write man/ and completions/ anew from the argument types'
	@echo 'make deny     licences, bans, sources and advisories (needs cargo-deny)'
	@echo 'make setup    install the Debian packages that the tests need'
	@echo 'make install  the three programs into ~/.cargo/bin'

demo:
	@$(CARGO) build --locked --bins
	@$(CARGO) run --quiet --locked --bin confctl -- demo

test:
	@scripts/test.sh

relay-sees:
	@scripts/relay-sees.sh

breaks:
	@scripts/breaks.sh

lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --all-targets --all-features -- -D warnings
	$(CARGO) clippy --locked --lib --no-default-features -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --all-features --document-private-items

fmt:
	$(CARGO) fmt --all

doc:
	$(CARGO) doc --locked --no-deps --all-features --open

deny:
	cargo deny --locked --all-features check

bench:
	benches/side-by-side/mixers.sh
	benches/side-by-side/callers.sh
	benches/side-by-side/relay.sh
	$(CARGO) bench --locked --bench transfers

fuzz:
	@cd fuzz && for target in $$(cargo +nightly fuzz list); do \
	  echo "== $$target"; cargo +nightly fuzz run $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; done

man:
	BLESS=1 $(CARGO) test --locked --all-features --test manpages

setup:
	@scripts/setup.sh

install:
	$(CARGO) install --locked --path .
