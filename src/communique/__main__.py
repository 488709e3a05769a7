"""`python -m communique` is the command line."""

from .cli import app

app()
