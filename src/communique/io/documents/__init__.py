"""Documents whose text must be extracted: one reader per format, see `read.read_document`."""
