# maillab: `make lab` to learn, `make test` to be sure. `make help` lists the rest.
#
#   make lab PORT=9000         another port (a taken port gives the next free one)
#   make lab PYTHON=python3.12 another Python (3.11 or newer)

VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The instructor's executed notebooks, which `make test` runs again and compares.
REFERENCE_NOTEBOOKS ?= $(sort $(wildcard notebooks/instructor/*.ipynb))

# Files of tests run beside each other, on as many cores as there are, at most four.
AT_ONCE := --numprocesses=logical --maxprocesses=4 --dist=loadfile

# Notebooks are run with the warnings of Jupyter allowed, and nothing else.
NBVAL := $(BIN)/python -m pytest --nbval --override-ini=filterwarnings=default

# A Python that has nbgrader, for the tests that let it open our notebooks.
NBGRADER_PYTHON ?= $(abspath $(VENV)/nbgrader/bin/python)

.DEFAULT_GOAL := help
.PHONY: help lab test test-browser test-interop test-notebooks test-slow notebooks check format docs constraints clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1|/p' Makefile | awk -F'|' '{printf "%-23s%s\n", $$1, $$2}'

lab: $(VENV)/.lab ## install what is missing, check the world, start JupyterLab
	@$(BIN)/maillab lab

test: $(VENV)/.test ## the tests that need no extra system package and are quick
	$(BIN)/python -m pytest $(AT_ONCE) -m "not slow and not interop and not browser"
	@$(MAKE) --no-print-directory test-notebooks

test-notebooks: $(VENV)/.test ## run the instructor's notebooks again, compare outputs
ifeq ($(REFERENCE_NOTEBOOKS),)
	@echo "No executed notebooks to compare yet."
else
	$(NBVAL) $(AT_ONCE) $(REFERENCE_NOTEBOOKS)
endif

test-slow: $(VENV)/.test $(VENV)/.nbgrader ## crashes, attacks, every exercise in twenty worlds
	NBGRADER_PYTHON=$(NBGRADER_PYTHON) $(BIN)/python -m pytest $(AT_ONCE) --dist=worksteal -m slow

test-interop: $(VENV)/.test ## tests with curl, swaks, tshark, mbsync … if they are here
	$(BIN)/python -m pytest -m interop

test-browser: $(VENV)/.browser ## JupyterLab in Chromium: explorers, notebook 00, accessibility
	$(BIN)/python -m pytest -m browser tests/browser

notebooks: $(VENV)/.test ## build the references and the students' notebooks anew
	$(BIN)/maillab author build

check: $(VENV)/.check ## format, lint, types, direction of imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/basedpyright --project pyproject.toml
	$(BIN)/lint-imports

format: $(VENV)/.check ## let ruff format and fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.test ## write the generated pages and the pictures anew
	$(BIN)/python scripts/rfc_index.py
	$(BIN)/python scripts/states.py
	$(BIN)/python scripts/personalities.py
	$(BIN)/python scripts/pictures.py

constraints: ## pin the newest versions that work together
	rm -rf $(VENV)
	scripts/make_venv.sh $(VENV)
	$(INSTALL) -e '.[lab,test,check,browser]'
	scripts/freeze.sh $(BIN)/python

clean: ## throw away what make and the tools made (never your notebooks)
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

# nbgrader opens our notebooks in an environment of its own: it would bring half a Jupyter
# server of other versions into ours. Without it (no network, say) its tests are skipped.
$(VENV)/.nbgrader: | $(VENV)/.made
	@echo "Installing nbgrader into $(VENV)/nbgrader (once; its tests are skipped without)"
	@$(BIN)/python -m venv $(VENV)/nbgrader && $(VENV)/nbgrader/bin/python -m pip install \
	    --quiet --disable-pip-version-check nbgrader==0.9.6 && touch $@ || true

# One stamp for each extra, so that a second `make` installs nothing.
comma := ,
$(VENV)/.made:
	@scripts/make_venv.sh $(VENV)
	@touch $@

$(VENV)/.lab: EXTRAS = lab
$(VENV)/.test: EXTRAS = lab,test
$(VENV)/.check: EXTRAS = lab,test,check
$(VENV)/.browser: EXTRAS = lab,test,browser
$(VENV)/.lab $(VENV)/.test $(VENV)/.check $(VENV)/.browser: pyproject.toml constraints.txt | $(VENV)/.made
	@echo "Installing maillab[$(EXTRAS)] into $(VENV) (a minute or two, once)"
	@$(INSTALL) -e '.[$(EXTRAS)]' -c constraints.txt
	@touch $(addprefix $(VENV)/.,$(subst $(comma), ,$(EXTRAS)))
