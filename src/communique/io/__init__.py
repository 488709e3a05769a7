"""Files: find paths, recognise encodings, read tables and documents, and write outputs atomically."""
