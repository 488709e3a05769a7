"""Name the columns of labelled output."""

from __future__ import annotations

#: Columns of the output, in this order, before the input's own; `error` only where some row has one.
OUTPUT = ("id", "document", "index", "language", "text", "labels", "probabilities", "truncated")
ERROR = "error"

#: What a column of probabilities in a CSV begins with.
PREFIX = "probability_"
