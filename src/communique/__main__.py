"""`python -m communique` is the command line."""

from .cli.start import run

run()
