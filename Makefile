# The commands of this repository. Everything they make lies in .venv/ and build/.
#
# Steps leave stamps in build/stamps, so that a second call does only what has changed since.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
MAKEFLAGS += --no-print-directory

# The Python that .venv is made from; the size of the demo's model; which scenarios of the benchmark run, how often, and
# beside which commit of ours.
PYTHON ?= python3
SIZE ?= 1GiB
SCENARIOS ?=
ROUNDS ?= 5
BASE ?=
# How long the soak takes; its threads do something else with each SEED.
SOAK_SECONDS ?= 1800
SEED ?=
# ON: the compiler's warnings are errors in the wheel too. CI sets it; a newer compiler may warn of more.
WERROR ?= OFF

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
STAMPS := build/stamps

# What the wheel is made of. The folders too: a file that went away leaves its mark there alone.
WHEEL_SOURCES := CMakeLists.txt pyproject.toml README.md LICENSE \
    $(shell find csrc python third_party -not -path '*/__pycache__*')
CPP_FILES = $(shell find csrc tests -name '*.h' -o -name '*.cc')
PYTHON_FILES := python tests

.PHONY: help
help: ## Show this list
	@echo 'make demo    loads a model from a local OSS server and prints figures; SIZE=1GiB to choose'
	@echo 'make test    all tests and linters'
	@echo 'make bench   ours, peers and the bare floor side by side, into docs/performance/'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/    \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# --- setting up

.PHONY: setup
setup: $(STAMPS)/test-extras ## Install system packages, .venv, the wheel and all that tests and linters need

$(STAMPS)/apt: third_party/apt-packages.txt third_party/install-apt-packages
	third_party/install-apt-packages third_party/apt-packages.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/apt-test: third_party/apt-packages-test.txt third_party/install-apt-packages $(STAMPS)/apt
	third_party/install-apt-packages third_party/apt-packages-test.txt
	@mkdir -p $(@D) && touch $@

# A current pip: the one of Debian 12 downloads whole packages to see what they require. Then what pyproject.toml
# builds with; having it here, not in an environment that pip makes anew each time, lets CMake rebuild only changes.
$(STAMPS)/venv: pyproject.toml $(STAMPS)/apt
	[[ -x $(BIN)/python ]] || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade pip
	sed -n '/^requires = /p' pyproject.toml | grep -o '"[^"]*"' | xargs $(PIP) install --quiet
	@mkdir -p $(@D) && touch $@

$(STAMPS)/wheel: $(WHEEL_SOURCES) $(STAMPS)/venv
	rm -rf build/wheel
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel \
	    --config-settings=build-dir=build/wheel-cmake --config-settings=cmake.define.OSSMC_WERROR=$(WERROR) .
	@mkdir -p $(@D) && touch $@

$(STAMPS)/installed: $(STAMPS)/wheel
	$(PIP) install --quiet --no-deps --force-reinstall build/wheel/*.whl
	@mkdir -p $(@D) && touch $@

# The wheel is in place already: these calls add what its extra and the dependency groups name.
$(STAMPS)/demo-extras: pyproject.toml | $(STAMPS)/installed
	$(PIP) install --quiet "$$(echo build/wheel/*.whl)[local]" --group demo
	@mkdir -p $(@D) && touch $@

$(STAMPS)/test-extras: pyproject.toml tests/support/install_torch.py $(STAMPS)/apt-test | $(STAMPS)/installed
	$(PIP) install --quiet "$$(echo build/wheel/*.whl)[local]" --group dev
	$(BIN)/python tests/support/install_torch.py
	@mkdir -p $(@D) && touch $@

.PHONY: wheel
wheel: $(STAMPS)/wheel ## Build the wheel into build/wheel
	@ls build/wheel/*.whl

# --- the two commands

.PHONY: demo
demo: $(STAMPS)/installed $(STAMPS)/demo-extras ## Load a model of SIZE from a local OSS server
	$(BIN)/python tests/demo/run.py --size $(SIZE)

# In order of what it says soonest; pytest last, so that its closing line is the last one.
.PHONY: test
test: ## Run all tests and linters
	$(MAKE) lint-style
	$(MAKE) test-cpp
	$(MAKE) test-asan
	$(MAKE) test-tsan-memory
	$(MAKE) lint-code
	OSSMC_NEEDS_BENCH=1 $(MAKE) test-python

# --- the benchmark

# A server of the system's own is not what is wanted here: see install-apt-packages.
$(STAMPS)/apt-bench: third_party/apt-packages-bench.txt third_party/install-apt-packages $(STAMPS)/apt
	third_party/install-apt-packages third_party/apt-packages-bench.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/bench-extras: pyproject.toml tests/support/install_torch.py $(STAMPS)/apt-bench | $(STAMPS)/installed
	$(PIP) install --quiet --group bench
	$(BIN)/python tests/support/install_torch.py
	@mkdir -p $(@D) && touch $@

# torch first: what would bring gigabytes of GPU libraries is left out, and with it the peers that need torch.
PEERS := build/bench/peers-venv
$(STAMPS)/bench-peers: third_party/bench-peers.txt tests/support/install_torch.py $(STAMPS)/venv
	[[ -x $(PEERS)/bin/python ]] || $(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --upgrade pip setuptools wheel
	$(PEERS)/bin/python tests/support/install_torch.py
	$(PEERS)/bin/python tests/bench/install_peers.py third_party/bench-peers.txt
	@mkdir -p $(@D) && touch $@

.PHONY: bench
bench: $(STAMPS)/installed $(STAMPS)/bench-extras $(if $(filter --no-peers,$(ARGS)),,$(STAMPS)/bench-peers)
bench: ## Measure ours, peers and the floor: SCENARIOS='plain https' ROUNDS=5; BASE=COMMIT beside that one
	$(call cmake-build,default) --target ossmc_bench_program --target ossmc_list_simulation --target ossmc_list_server
	PYTHONPATH=tests $(BIN)/python -m bench $(SCENARIOS) --rounds $(ROUNDS) $(if $(BASE),--base '$(BASE)') $(ARGS)

# --- tests

# $(call cmake-build,<preset>): configures every time, for the presets may have changed; that takes a second.
define cmake-build
@cmake --preset $(1) >build/$(1).log || { cat build/$(1).log; exit 1; }
cmake --build --preset $(1)
endef

.PHONY: dev-build
dev-build: $(STAMPS)/installed $(STAMPS)/test-extras
	$(call cmake-build,dev)

.PHONY: test-cpp
test-cpp: dev-build ## Run the C++ tests, built with -Werror and assertions
	ctest --preset dev

.PHONY: test-asan
test-asan: $(STAMPS)/test-extras ## Run the C++ tests under AddressSanitizer and UBSan
	$(call cmake-build,asan)
	ctest --preset asan

.PHONY: test-asan-python
test-asan-python: $(STAMPS)/test-extras ## Run Python tests on a module under ASan and UBSan; ARGS='-m fault' (not part of test)
	$(call cmake-build,asan-python)
	$(BIN)/python tests/support/run_sanitized_pytest.py build/asan-python $(ARGS)

.PHONY: test-tsan
test-tsan: $(STAMPS)/test-extras ## Run the C++ tests under ThreadSanitizer (not part of test)
	$(call cmake-build,tsan)
	ctest --preset tsan

# Where threads meet without a lock: a chunk, filled by one and read by many. The other floors take half an hour.
.PHONY: test-tsan-memory
test-tsan-memory: $(STAMPS)/test-extras ## Run the C++ tests of base and memory under ThreadSanitizer
	$(call cmake-build,tsan) --target ossmc_base_test ossmc_memory_test ossmc_sanitizer_is_on
	ctest --preset tsan -R '^(base|memory|sanitizer_is_on)$$'

.PHONY: test-tsan-python
test-tsan-python: $(STAMPS)/test-extras ## Run Python tests on a module under ThreadSanitizer; ARGS='-m fault' (not part of test)
	$(call cmake-build,tsan-python)
	$(BIN)/python tests/support/run_sanitized_pytest.py build/tsan-python $(ARGS)

.PHONY: test-python
test-python: $(STAMPS)/installed $(STAMPS)/test-extras ## Run the Python tests; ARGS='-k name' to choose
	$(BIN)/python -m pytest $(ARGS)

# --- long tests

# What they measure is in build/test-long.json and build/soak.json.
.PHONY: test-long
test-long: dev-build ## Run the tests that take an hour; PARTS='soak fuzz-names' to choose (not part of test)
	$(call cmake-build,asan)
	PYTHONPATH=tests $(BIN)/python -m long $(PARTS)

.PHONY: soak
soak: $(STAMPS)/installed $(STAMPS)/test-extras ## Read at random under faults for half an hour; SOAK_SECONDS=300 (not part of test)
	PYTHONPATH=tests $(BIN)/python -m long.soak --seconds $(SOAK_SECONDS) $(if $(SEED),--seed $(SEED))

# --- coverage

$(STAMPS)/coverage-extras: pyproject.toml | $(STAMPS)/test-extras
	$(PIP) install --quiet --group coverage
	@mkdir -p $(@D) && touch $@

# The figures are in build/coverage/figures.json too.
.PHONY: coverage
coverage: $(STAMPS)/installed $(STAMPS)/test-extras $(STAMPS)/coverage-extras ## Count the lines that tests and fuzz targets run; PARTS='tests fuzz python' to choose (not part of test)
	$(call cmake-build,coverage)
	$(BIN)/python tests/support/measure_coverage.py build/coverage $(PARTS)

# --- linters

.PHONY: lint
lint: lint-style lint-code ## Run all linters

.PHONY: lint-style
lint-style: $(STAMPS)/test-extras # what needs no build
	$(BIN)/python tests/csrc/include_direction_test.py
	@echo "clang-format --dry-run -Werror: $(words $(CPP_FILES)) files"
	@$(BIN)/clang-format --dry-run -Werror $(CPP_FILES)
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)

.PHONY: lint-code
lint-code: dev-build # what takes minutes
	$(BIN)/mypy
	$(BIN)/stubtest --mypy-config-file pyproject.toml --allowlist tests/python/stubtest_allowlist.txt \
	    ossmodelconnector._core
	$(BIN)/python tests/support/run_clang_tidy.py $(BIN)/clang-tidy build/dev

.PHONY: format
format: $(STAMPS)/test-extras ## Format C++ and Python, and apply the linters' safe fixes
	$(BIN)/clang-format -i $(CPP_FILES)
	$(BIN)/ruff check --fix $(PYTHON_FILES)
	$(BIN)/ruff format $(PYTHON_FILES)

.PHONY: clean
clean: ## Remove .venv and build
	rm -rf .venv build
