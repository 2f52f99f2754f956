# make lab     JupyterLab on the notebooks (ARGS="--no-browser" on a server)
# make test    every test: pytest, and nbval on every notebook
# make env, notebooks, bench, report, clean: see README.md
# Each makes .venv first where it is missing or stale.

PYTHON ?= python3
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.stamp
RUN := $(BIN)/python -m

.PHONY: lab test env notebooks bench report clean remake
.DEFAULT_GOAL := lab

lab: $(STAMP)
	$(RUN) nfvlab lab $(ARGS)

test: $(STAMP)
	$(RUN) pytest -n 2 --dist loadscope --nbval --nbval-current-env tests notebooks $(ARGS)

env: $(STAMP)

notebooks: $(STAMP)
	$(RUN) nfvlab notebooks $(ARGS)

bench: $(STAMP)
	while read -r package; do case "$$package" in \#*) ;; *) \
	$(RUN) pip install --quiet --disable-pip-version-check --no-deps "$$package" || echo "$$package cannot be had: its races are skipped";; \
	esac; done < tests/benchmarks/requirements.txt
	$(RUN) pytest -s tests/benchmarks $(ARGS)

report: $(STAMP)
	$(RUN) nfvlab report $(ARGS)

clean:
	rm -rf $(VENV) reports build dist .pytest_cache .ruff_cache .hypothesis
	find nfvlab tests -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds the folder it was made in and the interpreter: a checkout that was copied or moved, a set-up
# that was cut short or a Python that went away starts afresh; a changed pin or dependency is installed on top.
ifneq ($(shell $(BIN)/python -c '' 2>/dev/null && cat $(STAMP) 2>/dev/null),$(CURDIR))
FRESH := --clear
$(STAMP): remake
endif

$(STAMP): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "nfvlab needs Python 3.11 or newer, not %s: make PYTHON=python3.12 ..." % sys.version.split()[0])'
	$(PYTHON) -m venv $(FRESH) $(VENV)
	$(RUN) pip install --quiet --disable-pip-version-check uv || echo "uv cannot be had: pip does the rest"
	UV_SYSTEM_CERTS=1 $(RUN) uv pip install --quiet --python $(BIN)/python -r requirements.lock -e . \
	|| $(RUN) pip install --quiet --disable-pip-version-check -r requirements.lock -e .
	@echo '$(CURDIR)' > $@
