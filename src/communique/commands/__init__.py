"""The commands of `communique`, one module each; `communique.cli` puts them together."""
