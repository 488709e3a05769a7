"""Documents whose text must be extracted, with one reader per format. See `read.read_document`."""
