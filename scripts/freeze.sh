#!/bin/sh
# Write constraints.txt from what the Python $1 has installed. The head of the file stays.
set -eu
head=$(grep '^#' constraints.txt)
versions=$("$1" -m pip freeze --exclude-editable | LC_ALL=C sort -f)
printf '%s\n%s\n' "$head" "$versions" >constraints.txt
