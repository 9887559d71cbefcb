"""`python -m fastsim`: the same as `fastsim`."""

from fastsim.cli import main

main()
