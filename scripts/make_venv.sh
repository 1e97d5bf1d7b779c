#!/bin/sh
# Make a virtual environment in the folder $1 with the newest suitable Python.
# $PYTHON, when set, names the Python to use. Says what to do when there is none.
set -eu
folder=$1
least='import sys; sys.exit(sys.version_info < (3, 11))'

find_python() {
    for name in ${PYTHON:-python3.13 python3.12 python3.11 python3 python}; do
        if "$name" -c "$least" >/dev/null 2>&1; then
            echo "$name"
            return
        fi
    done
}

python=$(find_python)
if [ -z "$python" ]; then
    {
        echo "maillab needs Python 3.11 or newer, and found none (${PYTHON:-python3})."
        echo "  Debian, Ubuntu:  sudo apt install python3 python3-venv"
        echo "  macOS:           brew install python"
        echo "  elsewhere:       https://www.python.org/downloads/"
        echo "A Python in an unusual place:  make PYTHON=/path/to/python3 ..."
    } >&2
    exit 1
fi

if ! "$python" -c 'import venv, ensurepip' >/dev/null 2>&1; then
    {
        echo "$python cannot make virtual environments: its venv module is missing."
        echo "  Debian, Ubuntu:  sudo apt install python3-venv"
    } >&2
    exit 1
fi

echo "Making $folder with $("$python" --version)"
"$python" -m venv "$folder"
