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


def main_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any], *, languages: bool = True) -> str:
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
        if languages and _languages(table):
            parts.append(by_language(table, summary))
    return "\n".join(parts)


def by_language(table: SummaryTable, summary: Mapping[str, Any]) -> str:
    """Write macro-F1 by language and the average over languages, followed by published scores."""
    groups = next(iter(table["classifiers"].values()))["groups"]["language"]
    return _render(
        view="languages", summary=summary, classifiers=_ranked(table), languages=_languages(table), groups=groups
    )


def parts_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any]) -> str:
    """Write one row per part of a split, such as the language that was left out, and one column per classifier."""
    return _render(view="parts", tables=tables, classifiers=_classifiers(tables))


def matrix_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any]) -> str:
    """Write one matrix per classifier, with training languages in rows and test languages in columns."""
    parts = []
    for name in _classifiers(tables):
        trained = [table for table in tables if name in table["classifiers"]]
        groups = trained[0]["classifiers"][name]["groups"]["language"]
        parts.append(_render(view="matrix", name=name, tables=trained, groups=groups))
    return "\n".join(parts)


#: Functions that write the tables of a kind of split. All other kinds use `parts_table`.
_RENDERERS: dict[str, Callable[[Sequence[SummaryTable], Mapping[str, Any]], str]] = {
    "fixed": main_table,
    "documents": main_table,
    "time": main_table,
    "cross-lingual": matrix_table,
}


def _ranked(table: SummaryTable) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(table["classifiers"].items(), key=lambda item: -(item[1]["macro_f1"][0] or 0))


def _classifiers(tables: Sequence[SummaryTable]) -> list[str]:
    return list(dict.fromkeys(name for table in tables for name in table["classifiers"]))


def _languages(table: SummaryTable) -> list[str]:
    groups = next(iter(table["classifiers"].values()))["groups"].get("language", {})
    return list(groups) if len(groups) > 1 else []
