# Everything one does with the project. `make` alone lists it.

PYTHON ?= python3

BIN := .venv/bin
INSTALLED := .venv/.installed
DEMO_INSTALLED := .venv/.demo-installed
DOCS_INSTALLED := .venv/.docs-installed

# Another project's settings in the shell must not leak into ours.
unexport DJANGO_SETTINGS_MODULE

.DEFAULT_GOAL := help
.PHONY: help install demo test check test-matrix packages conformance conformance-server cluster soak faults bench docs messages pictures clean

help: ## Show this list.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' Makefile

install: $(INSTALLED) ## Make .venv with all that is needed; PYTHON=python3.13 chooses one.
	@:

$(INSTALLED): $(DEMO_INSTALLED)
	@echo "Installing what tests need; this takes a minute."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[client,issuers,oauth,redis]' --group dev
	@touch $@

# A demo needs a third of that, and has not to wait for the rest.
$(DEMO_INSTALLED): pyproject.toml
	@test -x $(BIN)/python || { \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo "Python 3.11 or newer is needed. Name one: make install PYTHON=python3.13" >&2; \
	    exit 1; \
	  }; \
	  $(PYTHON) -m venv .venv; \
	}
	@echo "Installing into .venv; this takes a minute."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[client,issuers,oauth,redis]'
	@touch $@

demo: PORT ?= 8000
demo: $(DEMO_INSTALLED) ## Run the lending library on 127.0.0.1; PORT=8000.
	@$(BIN)/python -m demo_project.port $(PORT)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo
	@$(BIN)/python manage.py demo_info --port $(PORT)
	@exec $(BIN)/daphne -b 127.0.0.1 -p $(PORT) demo_project.asgi:application

# Those that start programs mostly wait, so that there are three runs beside each other;
# what the last two printed comes at the end.
WORKERS_TESTS := tests/live
PROGRAMS_TESTS := tests/cluster tests/demo tests/docs tests/management tests/pages tests/testing
test: install ## Run all tests, those of running workers beside the others.
	@logs=$$(mktemp -d); \
	$(BIN)/pytest -p no:cacheprovider $(PROGRAMS_TESTS) > $$logs/1 2>&1 & programs=$$!; \
	$(BIN)/pytest -p no:cacheprovider $(addprefix --ignore ,$(WORKERS_TESTS) $(PROGRAMS_TESTS)) \
	  > $$logs/2 2>&1 & others=$$!; \
	$(BIN)/pytest $(WORKERS_TESTS); workers=$$?; \
	wait $$programs; programs=$$?; \
	wait $$others; others=$$?; \
	cat $$logs/*; rm -rf $$logs; \
	exit $$((workers || programs || others))

# The demo is checked as it would be deployed: DEBUG off, a strong key, and Redis,
# which a check does not contact.
check: export DEMO_DEBUG = 0
check: export DEMO_DATABASE = :memory:
check: export DEMO_SECRET_KEY = $(shell head -c 48 /dev/urandom | base64)
check: export REDIS_URL = redis://127.0.0.1:6379/0
check: install ## Lint, check types (of JavaScript with npm), imports, migrations and deployment.
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m tests.javascript
	@$(BIN)/python manage.py makemigrations --check --dry-run
	@$(BIN)/python manage.py check --deploy --fail-level WARNING

test-matrix: install ## Run every server, and the tests on each Python; ONLY=servers or 3.13-6.1.
	@$(BIN)/python -m tests.matrix $(if $(ONLY),--only $(ONLY))

packages: install ## Build into dist/ and use that in empty environments, also with lowest versions.
	@$(BIN)/python -m tests.packaging

conformance: install ## Run the official conformance suite; it needs npm and Chromium.
	@$(BIN)/python -m tests.conformance.suite

conformance-server: PORT ?= 8765
conformance-server: install ## Run the conformance fixture on 127.0.0.1; PORT=8765.
	@$(BIN)/python -m demo_project.port $(PORT)
	@$(BIN)/python manage.py migrate --settings tests.conformance.settings --verbosity 0
	@exec $(BIN)/daphne -b 127.0.0.1 -p $(PORT) tests.conformance.asgi:application

cluster: PORT ?= 8000
cluster: WORKERS ?= 3
cluster: install ## Run the library on several Daphnes over Redis; WORKERS=3 PORT=8000.
	@$(BIN)/python -m demo_project.port $(PORT)
	@$(BIN)/python manage.py migrate --verbosity 0
	@$(BIN)/python manage.py seed_demo
	@$(BIN)/python manage.py demo_info --port $(PORT)
	@exec $(BIN)/python -m tests.live.cluster --workers $(WORKERS) --port $(PORT)

soak: MINUTES ?= 20
soak: install ## Break all around several busy workers for MINUTES=20; it needs PostgreSQL.
	@exec $(BIN)/python -m tests.cluster.soak --minutes $(MINUTES) \
	  --picture docs/explanation/soak.svg

faults: install ## Break each thing once, and write what was seen into docs/explanation/delivery.md.
	@exec $(BIN)/python -m tests.cluster.soak --rounds 1 --seconds 3 --workers 2 \
	  --page docs/explanation/delivery.md

bench: install ## Measure us beside others into docs/explanation/performance.md; QUICK=1 ROWS=modern-32,sse.
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS)) $(if $(PICTURES),--pictures $(PICTURES))

$(DOCS_INSTALLED): $(INSTALLED)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group docs
	@touch $@

docs: $(DOCS_INSTALLED) ## Make the site of these pages, in build/docs; warnings are errors.
	@$(BIN)/sphinx-build --quiet --fresh-env --fail-on-warning --keep-going --jobs auto docs build/docs
	@echo "Open build/docs/index.html"

messages: install ## Bring translations up to the texts, and compile them; ADD=pt_BR begins one.
	@$(BIN)/python -m tests.translations $(ADD)

pictures: install ## Take the pictures of all pages in the docs, with Chromium; ONLY=console.
	@$(BIN)/python -m tests.demo.pictures $(ONLY)

clean: ## Go back to a fresh clone: no .venv, no demo database, no caches.
	@rm -rf .venv .matrix build dist demo.sqlite3 demo.sqlite3-* .coverage
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
