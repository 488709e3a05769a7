"""Name the columns of labelled output."""

from __future__ import annotations

#: Columns of the output, in this order, before the input's own; `error` only where some row has one.
OUTPUT = ("id", "document", "index", "language", "text", "labels", "probabilities", "truncated")
ERROR = "error"

#: Reason in `error` why a row that can be read is not labelled: a page number, a date, a row of stars.
NO_LETTERS = "no letters"

#: Reason in `error` why a row is not labelled although it has letters: a running header, a footer, "Page 3 of 10".
PAGE_LINE = "page header or footer"

#: What a column of probabilities in a CSV begins with.
PREFIX = "probability_"
