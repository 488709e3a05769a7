"""Write the summary of a benchmark as Markdown tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from ..reporting.render import render

SummaryTable = Mapping[str, Any]

_render = partial(render, "benchmark.md.jinja")


def render_summary(summary: Mapping[str, Any]) -> str:
    """Write the tables of all splits in a summary."""
    parts = []
    for name in dict.fromkeys(table["split"] for table in summary["tables"]):
        tables = [table for table in summary["tables"] if table["split"] == name]
        written = _RENDERERS.get(tables[0]["kind"], parts_table)(tables, summary)
        parts.append(f"**{summary['benchmark']}: {name}**\n\n{written}")
    if summary["left_out"]:
        parts.append(f"Left out: {'; '.join(summary['left_out'])}.\n")
    return "\n".join(parts)


def main_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any]) -> str:
    """Write one row per classifier with scores, the difference from the best and costs, and a table of scores by language."""
    parts = []
    for table in tables:
        random = [classifier["groups"].get("sampling", {}).get("random") for _, classifier in _ranked(table)]
        parts.append(
            _render(
                view="scores",
                table=table,
                summary=summary,
                classifiers=_ranked(table),
                differences={found["classifier"]: found for found in table["against_best"]},
                drawn=random[0],
            )
        )
        if _languages(table):
            parts.append(by_language(table, summary))
    return "\n".join(parts)


def by_language(table: SummaryTable, summary: Mapping[str, Any]) -> str:
    """Write one row per language, with macro-F1 of each classifier and published scores, below their averages."""
    return _render(view="languages", summary=summary, classifiers=_ranked(table), languages=_languages(table))


def parts_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any]) -> str:
    """Write one row per part of a split, such as the language that was left out, and one column per classifier."""
    return _render(view="parts", tables=tables, classifiers=classifier_names(tables))


def matrix_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any]) -> str:
    """Write one matrix per classifier, with training languages in rows and the same languages of the test set in columns."""
    parts = []
    for name in classifier_names(tables):
        trained = [table for table in tables if name in table["classifiers"]]
        parts.append(_render(view="matrix", name=name, tables=trained, languages=trained_languages(trained, name)))
    return "\n".join(parts)


def classifier_names(tables: Sequence[SummaryTable]) -> list[str]:
    """Return the names of all classifiers in the order of the recipe."""
    return list(dict.fromkeys(name for table in tables for name in table["classifiers"]))


def trained_languages(tables: Sequence[SummaryTable], name: str) -> dict[str, Mapping[str, Any]]:
    """Return the test scores of a classifier by language, for languages in which it was trained alone.

    The test set also contains languages with too few rows for training, which would make a matrix too wide to read.
    """
    tested = tables[0]["classifiers"][name]["groups"]["language"]
    return {table["part"]: tested[table["part"]] for table in tables if table["part"] in tested}


#: Functions that write the tables of a kind of split. All other kinds use `parts_table`.
_RENDERERS: dict[str, Callable[[Sequence[SummaryTable], Mapping[str, Any]], str]] = {
    "fixed": main_table,
    "documents": main_table,
    "time": main_table,
    "cross-lingual": matrix_table,
}


def _ranked(table: SummaryTable) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(table["classifiers"].items(), key=lambda item: -(item[1]["macro_f1"][0] or 0))


def _languages(table: SummaryTable) -> Mapping[str, Mapping[str, Any]]:
    groups = next(iter(table["classifiers"].values()))["groups"].get("language", {})
    return groups if len(groups) > 1 else {}
