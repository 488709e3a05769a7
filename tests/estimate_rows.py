"""Rows of the table of estimates, for tests that read it back."""

from __future__ import annotations

from typing import Any


def estimate_row(level: str, method: str, value: float, **fields: Any) -> dict[str, Any]:
    """Return a row of the table of estimates. The columns of groups are among the fields."""
    return {
        "label": "criticism",
        "level": level,
        "method": method,
        "estimate": value,
        "std_error": 0.02,
        "df": 30.0,
        "low": value - 0.04,
        "high": value + 0.04,
        "n": 100,
        "documents": 20,
        "n_gold": 30,
        "gold_documents": 12,
        "gold_positives": 7,
        "reported": method == "ppi",
        "lambda": None,
        "target": "finite-population",
        "warnings": "",
    } | fields
