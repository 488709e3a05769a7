"""`python -m communique` is the command line."""

from .cli.app import run

run()
