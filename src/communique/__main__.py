"""Run the command line as `python -m communique`."""

from .cli.start import run

run()
