# Every command of the project. `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
MAKEFLAGS += --no-print-directory

# Start of a long step: a line with the time since `make` began.
STEP = @printf '\033[36m[%4ss]\033[0m %s\n' "$$(( $$(date +%s) - $(BEGAN) ))"
BEGAN := $(shell date +%s)
CONSOLE := aggregator/console

.PHONY: help setup setup-full build demo demo-link demo-fault test check lint rust-tests console-tests bench soak fall-eval clean openapi asyncapi pictures deny package package-test release audit dam-eval dam-score risk-score

help: ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | while IFS=$$'\t' read -r name what; do printf '  make %-14s %s\n' "$$name" "$$what"; done

setup: ## install what build and demo need (idempotent)
	@deploy/setup.sh --minimal

setup-full: ## install also what the tests need
	@deploy/setup.sh --full

build: setup ## build every program (debug profile)
	$(STEP) 'cargo build'
	@cargo build --workspace --bins

demo: setup ## run a whole site and its headquarters on this machine; keys are shown on the screen
	@python3 deploy/demo/demo.py $(ARGS)

demo-link: ## of a running demo: STATE=up|refused|half_open
	@python3 deploy/demo/demo.py --set-link $(STATE)

demo-fault: ## of a running demo: put a device in or out of order (DEVICE=name, optional)
	@python3 deploy/demo/demo.py --toggle-fault $(DEVICE)

test: setup-full lint ## everything: format, lints, build, console tests, Rust tests, end-to-end tests
	$(STEP) 'cargo build'
	@cargo build --workspace --bins --tests
	$(STEP) 'console tests'
	@$(MAKE) console-tests
	$(STEP) 'Rust and end-to-end tests'
	@deploy/cargo-test.sh

check: ## the quick part of the tests: no end-to-end runs
	@deploy/cargo-test.sh -E 'not (package(minewatch-tests) and kind(test))'

lint: ## formatting and lints, warnings are errors
	$(STEP) 'formatting'
	@cargo fmt --all --check
	$(STEP) 'clippy'
	@cargo clippy --quiet --workspace --all-targets -- -D warnings

console-tests: ## type check and unit tests of the console
	@cd $(CONSOLE) && npm run --silent check && npm test --silent

rust-tests: ## only the Rust tests; FILTER=name narrows
	@deploy/cargo-test.sh $(FILTER)

deny: ## licences, sources and advisories (needs cargo-deny and network)
	@cargo deny check

audit: ## cargo deny and npm audit (needs cargo-deny and network)
	@cargo deny check
	@cd $(CONSOLE) && npm audit --omit=dev --audit-level=moderate

package: setup ## Debian packages of gateway and aggregator in target/packages (PROFILE=release)
	@[ -n "$(SKIP_BUILD)" ] || cargo build $(if $(filter debug,$(PROFILE)),,--release) --workspace --bins
	@deploy/package.sh $(or $(PROFILE),release)

package-test: ## install, enrol, run, upgrade, remove and purge the packages in a clean Debian 12 root (needs root)
	@deploy/package-test.sh

release: setup ## programs, packages, SBOM, licences, checksums, signature (RELEASE_KEY=file) in target/release-VERSION
	@deploy/release.sh

bench: setup ## measure; ONLY=name runs one measurement
	@cargo build --release --workspace --bins
	@cargo run --release -p minewatch-tests --bin bench -- $(ONLY)

dam-eval: ## the dam model on measured series (DATA=folder): failure, heads, days ahead, bulletins, a well
	@cargo build -p minewatch-gateway
	@deploy/dam-eval.sh $(or $(DATA),../shared/data/dam)

dam-score: ## the dam model on the simulated dam (SEEDS=200, ONLY=F1,N1)
	@cargo run --release -p minewatch-simulators --example dam_score -- --seeds $(or $(SEEDS),200) $(if $(ONLY),--only $(ONLY))

risk-score: ## the business rules on simulated feeds with planted risks (SEED=1 MONTHS=12)
	@cargo build --release -p minewatch-simulators -p minewatch-aggregator --bins
	@target/release/simulator business --seed $(or $(SEED),1) --months $(or $(MONTHS),12) --out target/risk-score
	@target/release/aggregator rules backtest shipped --facts target/risk-score/facts.jsonl --labels target/risk-score/labels.jsonl \
		--from 2025-07-01 --to 2031-01-01 --bar 99,95

soak: setup-full ## the fault tests for hours (HOURS=8): long outages, thousands of kills
	@cargo build --workspace --bins
	@MINEWATCH_SOAK=1 MINEWATCH_SOAK_HOURS=$(or $(HOURS),8) cargo nextest run -p minewatch-tests --profile soak --test outage --test kills --test storm --no-capture

fall-eval: setup ## score the fall decision on labelled clips (CLIPS=folder with MANIFEST.md; FPS=15)
	@[ -x .cache/fall-venv/bin/python ] || python3 -m venv .cache/fall-venv
	@.cache/fall-venv/bin/python -m pip install --quiet --disable-pip-version-check -r models/fall/eval/requirements.lock
	@cargo build --quiet --release -p minewatch-fall --bins
	@.cache/fall-venv/bin/python models/fall/eval/evaluate.py --clips $(or $(CLIPS),../shared/data/falls) --fps $(or $(FPS),15) \
		--model vendor/models/movenet_multipose_dyn_u8.onnx --cache .cache/fall-keypoints --program target/release/fall-eval

openapi: build ## write docs/openapi.json and the console's types of it from the code
	@target/debug/aggregator openapi > docs/openapi.json
	@echo docs/openapi.json
	@target/debug/aggregator openapi | node $(CONSOLE)/scripts/types.mjs

pictures: setup-full build ## take the pictures of every screen in docs/pictures from the demonstration
	@python3 deploy/demo/demo.py --no-build --headless --no-browser --free-ports --then 'node $(CONSOLE)/e2e/pictures.mjs docs/pictures'

asyncapi: build ## write docs/asyncapi.json and docs/schemas from the code
	@target/debug/aggregator asyncapi > docs/asyncapi.json
	@for name in cloudevent point.value point.values point.meta alarm.state alarm.event case.state gateway.status kpi.10min audit.head system.status; do target/debug/aggregator asyncapi --schema $$name > docs/schemas/$$name.v1.json; done
	@echo docs/asyncapi.json docs/schemas

clean: ## remove everything that was built
	@rm -rf target $(CONSOLE)/dist $(CONSOLE)/node_modules .cache vendor
