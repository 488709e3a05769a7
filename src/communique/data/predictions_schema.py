"""Name the columns of labelled output."""

from __future__ import annotations

#: Columns of the output, in this order, before the input's own; `error` only where some row has one.
OUTPUT = ("id", "document", "index", "language", "text", "labels", "probabilities", "truncated")
ERROR = "error"

#: Reason in `error` of a row without letters, such as a number, a date or a row of stars. It can be read, but is not labelled.
NO_LETTERS = "no letters"

#: Reason in `error` of a page header, footer or number such as "Page 3 of 10". It is not labelled.
PAGE_LINE = "page header or footer"

#: What a column of probabilities in a CSV begins with.
PREFIX = "probability_"
