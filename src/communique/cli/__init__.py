"""The commands of `communique`, with one module per command.

`communique.cli.app` combines them, and `communique.cli.start` runs them.
"""
