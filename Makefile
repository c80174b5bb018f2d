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
# How many compilers and C++ tests run at once.
JOBS ?= $(shell nproc)
export CMAKE_BUILD_PARALLEL_LEVEL := $(JOBS)

BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python
STAMPS := build/stamps

# What the wheel is made of. The folders too: a file that went away leaves its mark there alone.
WHEEL_SOURCES := CMakeLists.txt pyproject.toml README.md LICENSE \
    $(shell find csrc python third_party -not -path '*/__pycache__*')
CPP_FILES = $(shell find csrc tests -name '*.h' -o -name '*.cc')
PYTHON_FILES := python tests release third_party

.PHONY: help
help: ## Show this list
	@echo 'make demo    loads a model from a local OSS server and prints figures; SIZE=1GiB to choose'
	@echo 'make test    what protects a change: ten minutes on 2 cores'
	@echo 'make check   the rest of what CI runs: a quarter of an hour more'
	@echo 'make bench   ours, peers and the bare floor side by side, into docs/performance/'
	@echo
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/    \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

# --- setting up

.PHONY: setup
setup: $(STAMPS)/installed $(STAMPS)/test-packages ## Install system packages, .venv, the wheel and all that tests and linters need

$(STAMPS)/apt: third_party/apt-packages.txt third_party/install-apt-packages
	third_party/install-apt-packages third_party/apt-packages.txt
	@mkdir -p $(@D) && touch $@

# Both lists in one go: what is missing of either is fetched at once.
$(STAMPS)/apt-test: third_party/apt-packages.txt third_party/apt-packages-test.txt third_party/install-apt-packages
	third_party/install-apt-packages third_party/apt-packages.txt third_party/apt-packages-test.txt
	@mkdir -p $(@D) && touch $(STAMPS)/apt $@

# A current pip: the one of Debian 12 downloads whole packages to see what they require. Then what pyproject.toml
# builds with; having it here, not in an environment that pip makes anew each time, lets CMake rebuild only changes.
# uv installs the rest, in a quarter of pip's time, and makes environments for other Pythons.
$(STAMPS)/venv: pyproject.toml $(STAMPS)/apt
	[[ -x $(BIN)/python ]] || $(PYTHON) -m venv .venv
	$(PIP) install --quiet --upgrade pip
	$(PIP) install --quiet --group setup
	sed -n '/^requires = /p' pyproject.toml | grep -o '"[^"]*"' | xargs $(UV)
	@mkdir -p $(@D) && touch $@

$(STAMPS)/wheel: $(WHEEL_SOURCES) $(STAMPS)/venv
	rm -rf build/wheel
	$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel \
	    --config-settings=build-dir=build/wheel-cmake --config-settings=cmake.define.OSSMC_WERROR=$(WERROR) .
	@mkdir -p $(@D) && touch $@

$(STAMPS)/installed: $(STAMPS)/wheel
	$(PIP) install --quiet --no-deps --force-reinstall build/wheel/*.whl
	@mkdir -p $(@D) && touch $@

# What the package's extras and the dependency groups name; not the package, so that it can be built meanwhile.
$(STAMPS)/demo-packages: pyproject.toml $(STAMPS)/venv
	$(UV) -r pyproject.toml --extra cli --extra local --group demo
	@mkdir -p $(@D) && touch $@

$(STAMPS)/test-packages: pyproject.toml tests/support/install_torch.py $(STAMPS)/apt-test $(STAMPS)/venv
	$(UV) -r pyproject.toml --extra cli --extra local --group dev
	$(BIN)/python tests/support/install_torch.py
	@mkdir -p $(@D) && touch $@

# Bindings and environments for the other Pythons: pythons-ends, pythons-all.
$(STAMPS)/pythons-%: $(STAMPS)/wheel tests/support/run_on_pythons.py
	$(BIN)/python tests/support/run_on_pythons.py build $*
	@mkdir -p $(@D) && touch $@

.PHONY: wheel
wheel: $(STAMPS)/wheel ## Build the wheel into build/wheel
	@ls build/wheel/*.whl

# --- the two commands

.PHONY: demo
demo: $(STAMPS)/installed $(STAMPS)/demo-packages ## Load a model of SIZE from a local OSS server
	$(BIN)/python tests/demo/run.py --size $(SIZE)

# The C++ tests and all that needs Python are two lanes: one compiles while the other waits.
.PHONY: test
test: ## What protects a change: C++ tests under sanitizers, Python tests, style and types
	$(MAKE) $(STAMPS)/apt-test
	$(MAKE) -j3 test-cpp test-in-python

.PHONY: test-in-python
test-in-python: $(STAMPS)/installed $(STAMPS)/test-packages
	$(MAKE) -j2 --output-sync=target lint test-python test-pythons

# pytest last, so that its closing line is the last one.
.PHONY: check
check: ## The rest of what CI runs: threads, long properties, fuzz targets, models, all Pythons, clang-tidy
	$(MAKE) check-code
	$(MAKE) check-cpp
	$(MAKE) check-threads
	$(MAKE) test-pythons PYTHONS=all
	$(MAKE) test-gateways
	$(MAKE) check-python

# --- the benchmark

# A server of the system's own is not what is wanted here: see install-apt-packages.
$(STAMPS)/apt-bench: third_party/apt-packages-bench.txt third_party/install-apt-packages $(STAMPS)/apt
	third_party/install-apt-packages third_party/apt-packages-bench.txt
	@mkdir -p $(@D) && touch $@

$(STAMPS)/bench-packages: pyproject.toml tests/support/install_torch.py $(STAMPS)/apt-bench | $(STAMPS)/installed
	$(UV) -r pyproject.toml --extra cli --extra local --group bench
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

# Ours among the peers, for scenarios in which all have the same other packages.
$(STAMPS)/bench-ours: $(STAMPS)/wheel $(STAMPS)/bench-peers
	$(PEERS)/bin/python -m pip --disable-pip-version-check install --quiet --no-deps --force-reinstall build/wheel/*.whl
	@mkdir -p $(@D) && touch $@

.PHONY: bench
bench: $(STAMPS)/installed $(STAMPS)/bench-packages $(if $(filter --no-peers,$(ARGS)),,$(STAMPS)/bench-ours)
bench: ## Measure ours, peers and the floor: SCENARIOS='plain https' ROUNDS=5; BASE=COMMIT beside that one
	$(call cmake-build,default) --target ossmc_bench_program --target ossmc_list_simulation --target ossmc_list_server
	PYTHONPATH=tests $(BIN)/python -m bench $(SCENARIOS) --rounds $(ROUNDS) $(if $(BASE),--base '$(BASE)') $(ARGS)

# --- tests

# $(call cmake-build,<preset>): configures every time, for the presets may have changed; that takes a second.
define cmake-build
@mkdir -p build && cmake --preset $(1) >build/$(1).log || { cat build/$(1).log; exit 1; }
cmake --build --preset $(1)
endef

.PHONY: test-cpp
test-cpp: $(STAMPS)/apt-test ## Run the C++ tests, under AddressSanitizer and UBSan, with assertions and -Werror
	$(call cmake-build,asan)
	ctest --preset asan --parallel $(JOBS) --label-exclude check

# With OSSMC_LONG the properties go through all their cases.
.PHONY: check-cpp
check-cpp: $(STAMPS)/apt-test ## Fuzz targets, models, the benchmark's C++ tests and long properties
	$(call cmake-build,asan) --target all ossmc_fuzz ossmc_bench_program ossmc_bench_test
	ctest --preset asan --parallel $(JOBS) --label-regex check
	OSSMC_LONG=1 ctest --preset asan --parallel $(JOBS) --tests-regex '^(prefetch|listing|connector)'

.PHONY: test-asan-python
test-asan-python: $(STAMPS)/test-packages ## Run Python tests on a module under ASan and UBSan; ARGS='-m fault' (not part of test)
	$(call cmake-build,asan-python)
	$(BIN)/python tests/support/run_sanitized_pytest.py build/asan-python $(ARGS)

.PHONY: test-tsan
test-tsan: $(STAMPS)/test-packages ## Run the C++ tests under ThreadSanitizer (not part of test)
	$(call cmake-build,tsan)
	ctest --preset tsan --label-exclude check

# Where threads meet: a chunk, which has no lock, and the I/O threads. The other floors take half an hour.
.PHONY: check-threads
check-threads: $(STAMPS)/apt-test ## Run the C++ tests of base, memory and transfer under ThreadSanitizer
	$(call cmake-build,tsan) --target ossmc_base_test ossmc_memory_test ossmc_transfer_test ossmc_sanitizer_is_on
	ctest --preset tsan --parallel $(JOBS) -R '^(base|memory|transfer|sanitizer_is_on)$$'

.PHONY: test-tsan-python
test-tsan-python: $(STAMPS)/test-packages ## Run Python tests on a module under ThreadSanitizer; ARGS='-m fault' (not part of test)
	$(call cmake-build,tsan-python)
	$(BIN)/python tests/support/run_sanitized_pytest.py build/tsan-python $(ARGS)

# Most tests wait more than they work: more processes than cores.
PROCESSES := -n 4 --dist worksteal
PYTEST := $(BIN)/python -m pytest $(PROCESSES)

.PHONY: test-python
test-python: $(STAMPS)/installed $(STAMPS)/test-packages ## Run the Python tests; ARGS='-k name' to choose
	$(PYTEST) -m 'not long' $(ARGS)

.PHONY: check-python
check-python: $(STAMPS)/installed $(STAMPS)/test-packages ## Run the long Python tests: properties, the benchmark's tools
	$(call cmake-build,asan) --target ossmc_bench_program
	OSSMC_NEEDS_BENCH=1 $(PYTEST) -m 'long or hypothesis' --hypothesis-profile=long $(ARGS)

$(STAMPS)/gateway-packages: pyproject.toml | $(STAMPS)/test-packages
	$(UV) --group gateways
	@mkdir -p $(@D) && touch $@

.PHONY: test-gateways
test-gateways: $(STAMPS)/installed $(STAMPS)/gateway-packages ## Read from rclone's and moto's servers (not part of test)
	OSSMC_NEEDS_GATEWAYS=1 $(BIN)/python -m pytest tests/python/test_gateways.py $(ARGS)

PYTHONS ?= ends
.PHONY: test-pythons
test-pythons: $(STAMPS)/test-packages $(STAMPS)/pythons-$(PYTHONS) ## Run tests on the oldest and newest Python; PYTHONS=all
	$(BIN)/python tests/support/run_on_pythons.py test $(PYTHONS) $(PROCESSES) -m 'not long' $(ARGS)

# --- integrations

# An environment of its own: these packages are large, and no other test needs them.
INTEGRATIONS := build/integrations-venv
$(STAMPS)/integrations-packages: third_party/integrations.txt tests/support/install_torch.py pyproject.toml $(STAMPS)/venv
	[[ -x $(INTEGRATIONS)/bin/python ]] || $(PYTHON) -m venv $(INTEGRATIONS)
	$(INTEGRATIONS)/bin/python -m pip --disable-pip-version-check install --quiet --upgrade pip
	$(INTEGRATIONS)/bin/python tests/support/install_torch.py
	$(INTEGRATIONS)/bin/python -c 'import torch' # what follows would bring another one
	$(BIN)/uv pip install --quiet --python $(INTEGRATIONS)/bin/python -r third_party/integrations.txt \
	    -r pyproject.toml --extra cli --extra local --group test
	@mkdir -p $(@D) && touch $@

.PHONY: test-integrations
test-integrations: $(STAMPS)/wheel $(STAMPS)/integrations-packages ## Test with transformers, diffusers, PEFT and data tools, in an environment of its own (not part of test)
	$(INTEGRATIONS)/bin/python -m pip install --quiet --no-deps --force-reinstall build/wheel/*.whl
	$(INTEGRATIONS)/bin/python -m pytest -W default tests/integrations $(ARGS)

# vLLM for processors without a GPU: three gigabytes, and Python 3.11, for which its torch is there. Each engine takes a
# minute of a processor to start.
ENGINES := build/engines
$(STAMPS)/engines-packages: third_party/engines.txt tests/support/install_torch.py tests/support/install_vllm.py
$(STAMPS)/engines-packages: pyproject.toml $(STAMPS)/venv
	[[ -x $(ENGINES)/bin/python ]] || $(PYTHON) -m venv $(ENGINES)
	$(ENGINES)/bin/python -m pip --disable-pip-version-check install --quiet --upgrade pip
	$(ENGINES)/bin/python tests/support/install_torch.py
	$(ENGINES)/bin/python -c 'import torch' # what follows would bring another one
	$(ENGINES)/bin/python tests/support/install_vllm.py $(CURDIR)/$(BIN)/uv third_party/engines.txt
	$(BIN)/uv pip install --quiet --python $(ENGINES)/bin/python -r pyproject.toml --extra local pytest pytest-timeout
	@mkdir -p $(@D) && touch $@

.PHONY: test-engines
test-engines: $(STAMPS)/wheel $(STAMPS)/engines-packages ## Test with the real vLLM on the CPU, in an environment of its own (not part of test)
	$(ENGINES)/bin/python -m pip install --quiet --no-deps --force-reinstall build/wheel/*.whl
	$(ENGINES)/bin/python -m pytest -W default tests/engines $(ARGS)

# --- long tests

# What they measure is in build/test-long.json and build/soak.json.
.PHONY: test-long
test-long: $(STAMPS)/installed $(STAMPS)/test-packages ## Run the tests that take an hour; PARTS='soak fuzz-names' to choose (not part of test)
	$(call cmake-build,dev)
	$(call cmake-build,asan) --target all ossmc_fuzz
	PYTHONPATH=tests $(BIN)/python -m long $(PARTS)

.PHONY: soak
soak: $(STAMPS)/installed $(STAMPS)/test-packages ## Read at random under faults for half an hour; SOAK_SECONDS=300 (not part of test)
	PYTHONPATH=tests $(BIN)/python -m long.soak --seconds $(SOAK_SECONDS) $(if $(SEED),--seed $(SEED))

# --- self-contained wheels

PROCESSORS ?= x86_64 aarch64
$(STAMPS)/wheels-packages: pyproject.toml third_party/apt-packages-wheels.txt $(STAMPS)/venv
	third_party/install-apt-packages third_party/apt-packages-wheels.txt
	$(UV) --group wheels
	@mkdir -p $(@D) && touch $@

# The libraries inside take a quarter of an hour for both processors, once. They lie in build/bundled.
.PHONY: wheels
wheels: $(STAMPS)/wheels-packages ## Self-contained wheels for each Python here, into build/wheels/dist; PROCESSORS='x86_64 aarch64'
	$(BIN)/python release/make_wheels.py $(PROCESSORS:%=--processor %) $(ARGS)

# What it finds is in build/test-wheels.json.
.PHONY: test-wheels
test-wheels: $(STAMPS)/wheels-packages ## Those in bare Debians, on each Python, on arm64 by qemu, beside others; PARTS='files' (not part of test)
	PYTHONPATH=tests $(BIN)/python -m wheels $(PARTS)

# --- coverage

$(STAMPS)/coverage-packages: pyproject.toml | $(STAMPS)/test-packages
	$(UV) --group coverage
	@mkdir -p $(@D) && touch $@

# The figures are in build/coverage/figures.json too.
.PHONY: coverage
coverage: $(STAMPS)/installed $(STAMPS)/test-packages $(STAMPS)/coverage-packages ## Count the lines that tests and fuzz targets run; PARTS='tests fuzz python' to choose (not part of test)
	$(call cmake-build,coverage) --target all ossmc_fuzz
	$(BIN)/python tests/support/measure_coverage.py build/coverage $(PARTS)

# --- linters

.PHONY: lint
lint: $(STAMPS)/test-packages ## Style and types
	$(BIN)/python tests/csrc/include_direction_test.py
	@echo "clang-format --dry-run -Werror: $(words $(CPP_FILES)) files"
	@$(BIN)/clang-format --dry-run -Werror $(CPP_FILES)
	$(BIN)/ruff check $(PYTHON_FILES)
	$(BIN)/ruff format --check $(PYTHON_FILES)
	$(BIN)/mypy

# A floor is one file to the compiler elsewhere: here each source must have its own includes.
.PHONY: check-code
check-code: $(STAMPS)/installed $(STAMPS)/test-packages ## clang-tidy, each source by itself, the stub against the module
	$(BIN)/stubtest --mypy-config-file pyproject.toml --allowlist tests/python/stubtest_allowlist.txt \
	    ossmodelconnector._core
	@cmake --preset tidy >build/tidy.log || { cat build/tidy.log; exit 1; }
	@cmake --preset alone >build/alone.log || { cat build/alone.log; exit 1; }
	$(BIN)/python tests/support/check_sources.py tidy $(CURDIR)/$(BIN)/clang-tidy build/tidy
	$(BIN)/python tests/support/check_sources.py alone build/alone

.PHONY: format
format: $(STAMPS)/test-packages ## Format C++ and Python, and apply the linters' safe fixes
	$(BIN)/clang-format -i $(CPP_FILES)
	$(BIN)/ruff check --fix $(PYTHON_FILES)
	$(BIN)/ruff format $(PYTHON_FILES)

.PHONY: clean
clean: ## Remove .venv and build
	rm -rf .venv build

# --- mutants

# The report is in build/mutants. It takes an hour on 2 cores.
.PHONY: mutants
mutants: $(STAMPS)/installed $(STAMPS)/test-packages $(STAMPS)/coverage-packages ## Change 20 lines of the core, one at a time: do the tests see it? COUNT=20 SEED=1 (not part of test)
	PYTHONPATH=tests $(BIN)/python -m mutants --count $(or $(COUNT),20) --seed $(or $(SEED),1) $(ARGS)
