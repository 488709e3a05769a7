"""Write tidy tables with one row per estimate, as CSV and Parquet, and the table that the R package `dsl` reads."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ..errors import DataError
from ..io.atomic import replacing
from ..io.tables import Row
from ..io.write import write_csv, write_parquet
from ..reporting.format import without_nan
from ..sampling.population import Column
from .analysis import Analysis
from .inputs import NO_VALUE
from .intervals import Interval

#: Value in a group column if the estimate covers all values of the column.
ALL = "all"

#: Columns of the table for the R package `dsl`, in addition to labels, predictions and groups.
LABELED, SAMPLE_PROB = "labeled", "sample_prob"

#: Patterns of the names of all files that are written: tables, figures, and the methods text.
FILES = tuple(
    f"{name}.{form}"
    for name in ("estimates", "contrasts", "regressions", "error_rates", "dsl")
    for form in ("csv", "parquet")
)
FILES += tuple(f"{name}.{form}" for name in ("forest", "shares_by_*") for form in ("svg", "png"))
FILES += ("methods.md", "report.html")

#: Number of rows of the `dsl` table that are in memory at a time.
BATCH = 16_384

#: Columns of the tables other than groups. A group column of the same name would overwrite such a column, or be lost.
TAKEN = frozenset(
    "label level method reported estimate std_error df low high n documents n_gold gold_documents gold_positives lambda target "
    "warnings "
    f"rate cluster {LABELED} {SAMPLE_PROB}".split()
)


def check_columns(columns: Sequence[str], labels: Sequence[str]) -> None:
    """Check that the tables can hold the group columns.

    Raises:
        DataError: A column has the name of a label, of its prediction, or of another column of the tables.
    """
    taken = TAKEN | set(labels) | {f"{label}_predicted" for label in labels}
    if clash := [column for column in columns if column in taken]:
        raise DataError(
            f"--by {clash[0]}: the tables in --out use this column name for something else. Rename the column in the predictions"
        )


def tables(analysis: Analysis) -> dict[str, list[Row]]:
    """Return the results as rows, by table name. The table of all sentences is written separately, see `dsl_batches`."""
    return {
        "estimates": _estimates(analysis),
        "contrasts": _contrasts(analysis),
        "regressions": [
            {
                "label": c.label,
                "family": c.family,
                "term": c.term,
                **_numbers(c.estimate),
                "p": without_nan(c.estimate.p),
            }
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
            "reported": method == analysis.corrected,
            "lambda": share.lambda_ if method == "ppi" else None,
            "target": "superpopulation" if method == "naive" else analysis.target,
            "warnings": "; ".join(warning.text for warning in share.warnings),
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
            "p": without_nan(c.estimate.p),
            "p_holm": without_nan(c.p_holm),
            "family_low": without_nan(c.family_low),
            "family_high": without_nan(c.family_high),
            "naive": without_nan(c.naive),
            "warnings": f"doubtful: {'; '.join(c.doubtful)}" if c.doubtful else "",
        }
        for c in analysis.contrasts
    ]


def dsl_batches(analysis: Analysis) -> Iterator[list[Row]]:
    """Yield the corpus in batches of rows for the R package `dsl`: one row per sentence, with empty labels (NA) if not coded.

    `dsl` drops rows without a probability, and rescales the column of probabilities to the mean n/N. The probabilities of rows
    that were not drawn have no other effect, because `dsl` multiplies them by 0. They all get the value for which the rescaling
    changes nothing.
    """
    coded, sample = analysis.coded, analysis.coded.sample
    size = len(coded.ids)
    left = size - len(sample.gold)
    rest = (len(sample.gold) - float(sample.probability.sum())) / left if left else 1.0
    place: dict[int, int] = {int(row): i for i, row in enumerate(sample.gold)}
    for start in range(0, size, BATCH):
        rows: list[Row] = []
        for i, identity in enumerate(coded.ids.slice(start, BATCH).to_pylist(), start):
            gold = place.get(i)
            document = int(sample.documents[i])
            row: Row = {"id": identity, "document": coded.documents[document], "cluster": document}
            row |= {name: _level(column, int(column.codes[i])) for name, column in coded.columns.items()}
            for k, label in enumerate(coded.labels):
                row[label] = None if gold is None else int(coded.y[gold, k])
                row[f"{label}_predicted"] = float(coded.prediction[i, k])
            row[LABELED] = int(gold is not None)
            row[SAMPLE_PROB] = min(1.0, max(rest, 1e-9)) if gold is None else float(sample.probability[gold])
            rows.append(row)
        yield rows


def write(folder: str | Path, analysis: Analysis) -> list[Path]:
    """Write every table that has rows as `<name>.csv` and `<name>.parquet`, and return the paths."""
    written = []
    for name, rows in tables(analysis).items():
        if rows:
            path = Path(folder) / name
            write_csv(path.with_suffix(".csv"), list(rows[0]), rows, escape_formulas=True)
            write_parquet(path.with_suffix(".parquet"), rows)
            written += [path.with_suffix(".csv"), path.with_suffix(".parquet")]
    return written + _write_dsl(Path(folder) / "dsl", analysis)


def _write_dsl(path: Path, analysis: Analysis) -> list[Path]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    coded = analysis.coded
    types = {"id": pa.string(), "document": pa.string(), "cluster": pa.int64()} | dict.fromkeys(
        coded.columns, pa.string()
    )
    for label in coded.labels:
        types |= {label: pa.int64(), f"{label}_predicted": pa.float64()}
    schema = pa.schema(types | {LABELED: pa.int64(), SAMPLE_PROB: pa.float64()})
    with replacing(path.with_suffix(".parquet"), "wb") as handle, pq.ParquetWriter(handle, schema) as writer:
        for rows in dsl_batches(analysis):
            writer.write_table(pa.Table.from_pylist(rows, schema))
    # This table is for R, where its ids are compared with those of the gold. They must not change.
    write_csv(path.with_suffix(".csv"), schema.names, (row for rows in dsl_batches(analysis) for row in rows))
    return [path.with_suffix(".csv"), path.with_suffix(".parquet")]


def _level(column: Column, code: int) -> str | None:
    return None if code == NO_VALUE else column.levels[code]


def _values(values: Mapping[str, str], columns: Sequence[str]) -> Row:
    return {column: values.get(column, ALL) for column in columns}


def _numbers(interval: Interval) -> Row:
    return {
        "estimate": without_nan(interval.value),
        "std_error": without_nan(interval.error),
        "df": without_nan(interval.freedom),
        "low": without_nan(interval.low),
        "high": without_nan(interval.high),
    }
