"""Plain text: languages, blocks, sentences."""
