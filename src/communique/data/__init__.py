"""What is labelled: sentences, codebooks, corpora."""
