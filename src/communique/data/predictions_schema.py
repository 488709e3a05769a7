"""Names of the columns in labelled output, and the reasons in its column `error`."""

from __future__ import annotations

#: Columns of the output, in this order. The columns of the input follow. `error` is only written if some row has an error.
OUTPUT = ("id", "document", "index", "language", "text", "labels", "probabilities", "truncated")
ERROR = "error"

#: Value of `error` in a row without letters, such as a number, a date or a line of asterisks. Such a row is not labelled.
NO_LETTERS = "no letters"

#: Value of `error` in a row with a page header, a footer or a page number such as "Page 3 of 10". Such a row is not labelled.
PAGE_LINE = "page header or footer"

#: Prefix of probability columns in CSV files.
PREFIX = "probability_"
