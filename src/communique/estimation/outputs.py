"""Tidy tables: one row an estimate, as CSV and Parquet, and the table that R's package `dsl` takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..tables import Row, write_csv, write_parquet
from .analysis import Analysis
from .intervals import Interval

#: In a column of groups: the estimate is over all its values.
ALL = "all"

#: Columns of the table for R's `dsl` beside the labels, their predictions and the groups.
LABELED, SAMPLE_PROB = "labeled", "sample_prob"

#: What the tables hold beside the groups: a column of groups of the same name would overwrite it, or be lost.
TAKEN = frozenset(
    "label level method estimate std_error df low high n documents n_gold gold_documents gold_positives lambda target doubts "
    f"rate cluster {LABELED} {SAMPLE_PROB}".split()
)


def check_columns(columns: Sequence[str], labels: Sequence[str]) -> None:
    """Refuse columns of groups that the tables cannot hold.

    Raises:
        DataError: A column has the name of a label, of its prediction, or of another column of the tables.
    """
    taken = TAKEN | set(labels) | {f"{label}_predicted" for label in labels}
    if clash := [column for column in columns if column in taken]:
        raise DataError(
            f"--by {clash[0]}: the tables in --out have a column of that name for something else; rename it in the predictions"
        )


def tables(analysis: Analysis) -> dict[str, list[Row]]:
    """Give every result as rows, by the name of its table."""
    return {
        "estimates": _estimates(analysis),
        "contrasts": _contrasts(analysis),
        "regressions": [
            {"label": c.label, "family": c.family, "term": c.term, **_numbers(c.estimate), "p": _plain(c.estimate.p)}
            for c in analysis.regressions
        ],
        "error_rates": [
            {
                "label": r.label,
                "level": r.level,
                **_values(r.values, analysis.columns),
                "rate": r.rate,
                **_numbers(r.estimate),
                "n_gold": r.gold,
            }
            for r in analysis.rates
        ],
        "dsl": dsl_rows(analysis),
    }


def _estimates(analysis: Analysis) -> list[Row]:
    return [
        {
            "label": share.label,
            "level": share.level,
            **_values(share.values, analysis.columns),
            "method": method,
            **_numbers(interval),
            "n": share.n,
            "documents": share.documents,
            "n_gold": share.gold,
            "gold_documents": share.gold_documents,
            "gold_positives": share.positives,
            "lambda": analysis.powers[share.label] if method == "ppi" else None,
            "target": "beyond" if method == "naive" else analysis.target,
            "doubts": "; ".join(share.doubts),
        }
        for share in analysis.shares
        for method, interval in share.methods.items()
    ]


def _contrasts(analysis: Analysis) -> list[Row]:
    return [
        {
            "label": c.label,
            "family": c.family,
            "contrast": c.name,
            "method": analysis.corrected,
            **_numbers(c.estimate),
            "p": _plain(c.estimate.p),
            "p_holm": _plain(c.p_holm),
            "family_low": _plain(c.family_low),
            "family_high": _plain(c.family_high),
            "naive": _plain(c.naive),
        }
        for c in analysis.contrasts
    ]


def dsl_rows(analysis: Analysis) -> list[Row]:
    """Give the corpus as R's `dsl` takes it: a row a sentence, labels empty (NA) where nobody coded them.

    `dsl` needs a probability in each row, drops rows without one, and rescales the column to the mean n/N. Those of rows that
    were not drawn are multiplied by 0; they get the one value with which that rescaling changes nothing.
    """
    coded, sample = analysis.coded, analysis.coded.sample
    left = len(coded.ids) - len(sample.gold)
    rest = (len(sample.gold) - float(sample.probability.sum())) / left if left else 1.0
    place: dict[int, int] = {int(row): i for i, row in enumerate(sample.gold)}
    rows: list[Row] = []
    for i, (identity, document) in enumerate(zip(coded.ids, coded.documents, strict=True)):
        gold = place.get(i)
        row: Row = {"id": identity, "document": document, "cluster": int(sample.documents[i])}
        row |= {column: values[i] for column, values in coded.columns.items()}
        for k, label in enumerate(coded.labels):
            row[label] = None if gold is None else int(coded.y[gold, k])
            row[f"{label}_predicted"] = float(coded.prediction[i, k])
        row[LABELED] = int(gold is not None)
        row[SAMPLE_PROB] = min(1.0, max(rest, 1e-9)) if gold is None else float(sample.probability[gold])
        rows.append(row)
    return rows


def write(folder: str | Path, analysis: Analysis) -> list[Path]:
    """Write every table that has rows as `<name>.csv` and `<name>.parquet`; return the paths."""
    written = []
    for name, rows in tables(analysis).items():
        if rows:
            path = Path(folder) / name
            write_csv(path.with_suffix(".csv"), list(rows[0]), rows)
            write_parquet(path.with_suffix(".parquet"), rows)
            written += [path.with_suffix(".csv"), path.with_suffix(".parquet")]
    return written


def _values(values: Mapping[str, str], columns: Sequence[str]) -> Row:
    return {column: values.get(column, ALL) for column in columns}


def _numbers(interval: Interval) -> Row:
    return {
        "estimate": _plain(interval.value),
        "std_error": _plain(interval.error),
        "df": _plain(interval.freedom),
        "low": _plain(interval.low),
        "high": _plain(interval.high),
    }


def _plain(value: float) -> Any:
    """Give None for what is not defined: an empty cell is NA in R and missing in Stata, where 'nan' would be text."""
    return None if value != value else value
