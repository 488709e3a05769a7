"""Read and represent labelled data: sentences, codebooks and corpora."""
