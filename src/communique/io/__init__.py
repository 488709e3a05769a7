"""Files: paths, encodings, tables, atomic writing."""
