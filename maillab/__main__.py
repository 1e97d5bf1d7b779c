"""`python -m maillab` is the `maillab` command."""

from maillab.cli import main

main()
