"""`python -m optimizer.cli` is the `overtrain` command."""

from . import main

main()
