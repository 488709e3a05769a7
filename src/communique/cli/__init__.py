"""The commands of `communique`, one module each; `communique.cli.app` puts them together, `communique.cli.start` runs them."""
