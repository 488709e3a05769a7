"""`python -m communique` is the command line."""

from .cli import run

run()
