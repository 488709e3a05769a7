"""Markdown tables of a benchmark's summary."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..reporting.format import table as write_table

SummaryTable = Mapping[str, Any]

#: Shown where a number is not defined.
UNDEFINED = "–"


def render(summary: Mapping[str, Any]) -> str:
    """Write the tables of a summary, split by split."""
    parts = []
    for name in dict.fromkeys(table["split"] for table in summary["tables"]):
        tables = [table for table in summary["tables"] if table["split"] == name]
        parts.append(f"**{summary['benchmark']}: {name}**\n\n{_RENDERERS[tables[0]['kind']](tables, summary)}")
    if summary["left_out"]:
        parts.append("Left out: " + "; ".join(summary["left_out"]) + ".")
    return "\n\n".join(parts) + "\n"


def main_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any], *, languages: bool = True) -> str:
    """Write classifiers in rows: scores, the difference to the best, and what they cost; and scores by language below."""
    return "\n\n".join(_main(table, summary, languages) for table in tables)


def _main(table: SummaryTable, summary: Mapping[str, Any], languages: bool) -> str:
    labels = summary["labels"]
    random = {
        name: classifier["groups"].get("sampling", {}).get("random")
        for name, classifier in table["classifiers"].items()
    }
    drawn = next(iter(random.values()))
    head = [
        "classifier (seeds)",
        "macro-F1",
        *([f"rows sampled at random ({drawn['n']})"] if drawn else []),
        *(f"{label} ({table['gold'][label]})" for label in labels),
        f"difference to {table['best']}",
        "p (Holm)",
        "training s",
        "sentences/s",
        "peak memory, training / inference",
    ]
    differences = {found["classifier"]: found for found in table["against_best"]}
    rows = []
    for name, classifier in _ranked(table):
        found = differences.get(name)
        cached = name in summary["cached"]
        rows.append(
            [
                f"{name} ({len(classifier['seeds'])})",
                scored(classifier["macro_f1"]),
                *([scored(random[name]["macro_f1"])] if drawn else []),
                *(scored(classifier["f1"][label]) for label in labels),
                UNDEFINED if found is None else _difference(found),
                UNDEFINED if found is None else _p(found["p_holm"]),
                UNDEFINED
                if cached
                else ("≥ " if classifier["resumed"] else "") + _number(classifier["training_seconds"]),
                UNDEFINED if cached else _number(classifier["sentences_per_second"]),
                f"{_mebibytes(classifier['training_bytes'])} / {_mebibytes(classifier['inference_bytes'])}",
            ]
        )
    part = f", {table['part']}" if table["part"] else ""
    written = "\n".join(write_table(head, rows))
    text = f"{table['n']} sentences, {table['documents']} documents{part}.\n\n{written}"
    return f"{text}\n\n{by_language(table, summary)}" if languages and _languages(table) else text


def by_language(table: SummaryTable, summary: Mapping[str, Any]) -> str:
    """Write macro-F1 by language and its average over languages, published figures below."""
    languages = _languages(table)
    first = next(iter(table["classifiers"].values()))["groups"]["language"]
    head = ["macro-F1", "average", *(f"{language} ({first[language]['n']})" for language in languages)]
    rows = [
        [
            name,
            scored(classifier["language_average"]["macro_f1"]) if classifier["language_average"] else UNDEFINED,
            *(_score(classifier["groups"]["language"][language]["macro_f1"][0]) for language in languages),
        ]
        for name, classifier in _ranked(table)
    ]
    rows += [
        [
            f"{published['name']} (published)",
            _score(published["average"]),
            *(_score(published["by_language"].get(language)) for language in languages),
        ]
        for published in summary["published"]
    ]
    return "\n".join(write_table(head, rows))


def parts_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any]) -> str:
    """Write parts in rows (what was left out, how many rows trained) and classifiers in columns."""
    classifiers = list(dict.fromkeys(name for table in tables for name in table["classifiers"]))
    rows = []
    for table in tables:
        cells = [
            scored(table["classifiers"][name]["macro_f1"]) if name in table["classifiers"] else UNDEFINED
            for name in classifiers
        ]
        rows.append([table["part"], str(table["n"]), str(table["documents"]), *cells])
    return "\n".join(write_table([_PART[tables[0]["kind"]], "n", "documents", *classifiers], rows))


def matrix_table(tables: Sequence[SummaryTable], summary: Mapping[str, Any]) -> str:
    """Write a matrix a classifier: trained on the row's language, tested on the column's."""
    parts = []
    for classifier in dict.fromkeys(name for table in tables for name in table["classifiers"]):
        trained = [table for table in tables if classifier in table["classifiers"]]
        groups = trained[0]["classifiers"][classifier]["groups"]["language"]
        head = [f"{classifier}: trained on (rows)", *(f"{name} ({group['n']})" for name, group in groups.items())]
        rows = [
            [
                f"{table['part']} ({table['classifiers'][classifier]['training_rows']:.0f})",
                *(
                    _score(table["classifiers"][classifier]["groups"]["language"][name]["macro_f1"][0])
                    for name in groups
                ),
            ]
            for table in trained
        ]
        parts.append("\n".join(write_table(head, rows)))
    return "\n\n".join(parts)


_PART = {
    "leave-one-language-out": "language left out",
    "leave-one-source-out": "source left out",
    "few-shot": "rows a label",
    "learning-curve": "share of training documents",
}

_RENDERERS: dict[str, Callable[[Sequence[SummaryTable], Mapping[str, Any]], str]] = {
    "fixed": main_table,
    "documents": main_table,
    "time": main_table,
    "cross-lingual": matrix_table,
    **dict.fromkeys(_PART, parts_table),
}


def scored(value: Sequence[float | None]) -> str:
    """Write `[value, low, high]`."""
    if value[0] is None:
        return UNDEFINED
    return f"{value[0]:.3f}" + ("" if value[1] is None else f" [{value[1]:.3f}, {value[2]:.3f}]")


def _ranked(table: SummaryTable) -> list[tuple[str, Mapping[str, Any]]]:
    return sorted(table["classifiers"].items(), key=lambda item: -(item[1]["macro_f1"][0] or 0))


def _languages(table: SummaryTable) -> list[str]:
    groups = next(iter(table["classifiers"].values()))["groups"].get("language", {})
    return list(groups) if len(groups) > 1 else []


def _score(value: float | None) -> str:
    return UNDEFINED if value is None else f"{value:.3f}"


def _difference(found: Mapping[str, Any]) -> str:
    if found["value"] is None:
        return UNDEFINED
    return f"{found['value']:+.3f}" + ("" if found["low"] is None else f" [{found['low']:+.3f}, {found['high']:+.3f}]")


def _p(value: float | None) -> str:
    if value is None:
        return UNDEFINED
    return "< 0.001" if value < 0.001 else f"{value:.3f}"


def _number(value: float) -> str:
    return "> 100,000" if value > 1e5 else f"{value:.1f}" if value < 10 else f"{value:,.0f}"


def _mebibytes(value: int) -> str:
    return f"{value / 2**20:,.0f} MiB"
