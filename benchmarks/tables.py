"""Write the tables in README.md, benchmarks/README.md and docs/, and draw the figures, from benchmarks/results.

python benchmarks/tables.py --write    rewrites the text between the markers, and draws figures that are out of date
python benchmarks/tables.py --check    exits with 1 if a table or figure is out of date
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from communique.benchmark.figures import Figure, figures
from communique.benchmark.rendering import render_summary
from communique.benchmark.results import read
from communique.reporting.format import megabytes, number, percent, score, signed, signed_score, table

ROOT = Path(__file__).parents[1]
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "benchmarks/README.md",
    ROOT / "docs/guides/batch-labelling.md",
    ROOT / "docs/guides/estimates.md",
)
RESULTS = ROOT / "benchmarks/results"
MODEL = ROOT / "models/communique-small"
FIGURES = ROOT / "benchmarks/figures"

#: The tasks of `few_rows.py` that have results.
FEW_ROWS = tuple(path.stem.removeprefix("few-rows-") for path in sorted(RESULTS.glob("few-rows-*.json")))


def _result(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _value(value: dict[str, float | None]) -> str:
    return score(value["value"], value["low"], value["high"])


def _row(name: str, group: dict[str, Any]) -> list[str]:
    cells = (f"{_value(label['f1'])} ({label['gold']})" for label in group["labels"])
    return [name, str(group["n"]), str(group["documents"]), _value(group["macro_f1"]), *cells]


def quality() -> str:
    """Return macro-F1 and F1 by label of the shipped bundle on data/reference/dev.jsonl."""
    report = _result("dev")
    head = ["rows", "sentences", "documents", "macro-F1", *(f"{name} (gold)" for name in report["labels"])]
    groups = {(g["kind"], g["name"]): g for g in report["groups"]}
    rows = [_row("**all**", groups["all", "all"]), _row("sampled at random", groups["sampling", "random"])]
    rows += [_row(name, group) for (kind, name), group in groups.items() if kind == "language"]
    return table(head, rows)


def acts() -> str:
    """Return the scores of kind, holder and target of the shipped bundle on data/reference/dev.jsonl, given the gold labels."""
    found = _result("dev")["acts"]
    rows = [
        (one["role"], one["label"], f"{one['n']:,}", f"{one['gold']:,}",
         *(_value(one[name]) for name in ("overlap", "named_overlap")), "–")
        for one in found["spans"]
    ]  # fmt: skip
    rows += [("kind", one["label"], f"{one['n']:,}", "–", "–", "–", _value(one["accuracy"])) for one in found["kinds"]]
    head = ("output", "label", "gold labels", "named in gold", "overlap", "overlap of named words", "accuracy")
    return table(head, rows)


def robustness() -> str:
    """Return how many decisions, and how many predicted labels, stay the same in each test of `communique robustness`."""
    swapped, respelled = _result("robustness-unlabelled"), _result("robustness")
    labels = swapped["labels"]
    head = ["test", "sentences", *labels, *(f"predicted {label} kept (n)" for label in labels)]
    tests: dict[str, dict[str, Any]] = {}
    # Both files have the test with swapped actors, the first with more sentences.
    for cell in (*swapped["stability"], *respelled["stability"]):
        if cell["language"] == "all":
            tests.setdefault(cell["test"], {}).setdefault(cell["label"], cell)
    rows = [
        [name, f"{cells[labels[0]]['sentences']:,}", *(_value(cells[label]["kept"]) for label in labels),
         *(f"{_value(cells[label]['kept_given'])} ({cells[label]['given']})" for label in labels)]
        for name, cells in tests.items()
    ]  # fmt: skip
    return table(head, rows)


def out_of_fold(parts: str) -> str:
    """Return macro-F1 by classifier or training setting and, where the default was trained, the difference from it."""
    results = _result("out-of-fold")["results"][parts]
    labels = next(iter(results.values()))["f1"]
    head = ["training", "sentences", "documents", "macro-F1", *labels, "minutes per fold"]
    compared = any("gain" in one for one in results.values())
    if compared:
        head += ["difference from the default", "sentences of both"]
    rows = []
    for name, one in results.items():
        whole, gain = one["macro_f1"], one.get("gain")
        row = [name, f"{whole['n']:,}", f"{whole['documents']:,}", score(whole["value"], *whole["interval"])]
        row += [number(one["f1"][label]) for label in labels]
        row.append(number(sum(one["seconds"]) / len(one["seconds"]) / 60, 1))
        if compared:
            row += ["–", "–"] if gain is None else [signed_score(gain["value"], *gain["interval"]), f"{gain['n']:,}"]
        rows.append(row)
    return table(head, rows)


def recipe_fields() -> str:
    """Return mean average precision by variant of the recipe, and the difference from the default settings."""
    rows = []
    for name, one in _result("recipe-fields")["results"].items():
        whole, gain = one["average_precision"], one.get("gain")
        difference = "–" if gain is None else signed_score(gain["value"], *gain["interval"])
        rows.append([name, score(whole["value"], *whole["interval"]), difference])
    return table(["training", "mean average precision", "difference from the default"], rows)


def overview() -> str:
    """Return the README's small table: quality, speed and size of the shipped bundle."""
    report, rates, memory_use = _result("dev"), _result("speed"), _result("memory-distinct")
    overall = next(group for group in report["groups"] if group["kind"] == "all")
    files = sum(path.stat().st_size for path in MODEL.iterdir())
    longest = max(memory_use["results"], key=lambda run: run["rows"])
    stock = rates["against_pipeline_fp32"]
    rows = (
        (
            f"quality of version {report['version']}",
            f"macro-F1 {_value(overall['macro_f1'])} on {overall['n']} sentences from {overall['documents']} documents",
        ),
        (
            f"speed of version {rates['version']}",
            f"{number(rates['sentences_per_second']['communique'], 0)} sentences per second with {rates['threads']} threads: "
            f"{number(stock['ratio'], 1)} times as fast as the transformers pipeline",
        ),
        (
            f"memory of version {memory_use['version']}",
            f"{megabytes(longest['peak_mb'] * 1e6)} for {longest['rows']:,} different sentences",
        ),
        (
            "size",
            f"{megabytes(files)} on disk",
        ),
    )
    return table(("communique-small", ""), rows)


def speed() -> str:
    """Return sentences per second compared with the stock pipeline and its peers."""
    result = _result("speed")
    cpu = result["cpu"]
    abilities = [name for name in ("avx2", "avx512_vnni", "amx_int8") if cpu.get(name)]
    rates = sorted(result["sentences_per_second"].items(), key=lambda item: item[1])
    lines = table(("engine", "sentences/s"), ((name, number(rate, 0)) for name, rate in rates))
    int8, tokens = result["int8"], number(result["tokens_a_sentence"], 0)
    ratios = table(
        ("communique compared with", "times as fast", f"lowest and highest of {result['turns']} turns"),
        (
            _times("the stock pipeline in fp32", result["against_pipeline_fp32"]),
            _times("the best of the others", result["against_best_other"]),
        ),
    )
    text = (
        f"The rates are medians of {result['turns']} turns of one run. The data are {result['sentences']} different real sentences "
        f"in the order of the file, with {tokens} tokens on average. The processor is {cpu['name']} ({', '.join(abilities)}), with "
        f"{result['threads']} threads. Labelling performs {percent(int8['share_of_limit'])} as many 8-bit operations per second as "
        "matrix products of the same shapes alone "
        f"({number(int8['limit_of_model_shapes'], 2)} tera-operations per second). Tokenizing takes "
        f"{percent(result['tokenizer_share'], 1)} of the time. {_overhead()}"
    )
    return "\n\n".join((lines, ratios, text))


def _overhead() -> str:
    result = _result("overhead")
    share = result["besides_the_network_processor"]
    median, low, high = (percent(value, 1) for value in (share["median"], *share["range"]))
    return (
        f"When a file of {result['rows']:,} real sentences is labelled into another file, {median} [{low}, {high}] of the "
        "processor time is spent outside the neural network (`python benchmarks/overhead.py`)."
    )


#: Name of the classifier that `communique train` keeps, in the tables and figures of `few_rows.py`.
CHOSEN = "communique train"


def few_rows(task: str) -> str:
    """Return macro-F1 by number of training rows: means and ranges over draws."""
    result = _result(f"few-rows-{task}")
    names = _few_rows_classifiers(result)
    rows = []
    for n, drawn in _few_rows_points(result).items():
        cells = ("–" if (found := _few_rows_score(drawn, name)) is None else _mean(found, len(drawn)) for name in names)
        rows.append([f"{n:,}", str(len(drawn)), *cells])
    test = f"{result['test']['sentences']:,} test sentences from {result['test']['documents']:,} documents."
    return f"{test}\n\n{table(('rows', 'draws', f'**{CHOSEN}**', *names[1:]), rows)}"


def few_rows_figure(task: str) -> Figure:
    """Return the figure of macro-F1 against the number of training rows."""
    result = _result(f"few-rows-{task}")
    lines: dict[str, list[list[float]]] = {}
    for name in _few_rows_classifiers(result):
        for n, drawn in _few_rows_points(result).items():
            if found := _few_rows_score(drawn, name):
                lines.setdefault(name, []).append([n, *found])
    title = (
        f"{result['test']['sentences']:,} test sentences\n"
        "bands: range over draws, or 95 % interval over documents for a single draw"
    )
    data = {"lines": lines, "x": "training rows", "title": title, "legend": {name: name for name in lines}}
    return Figure(f"few-rows-{task}", "curves", data)


def _few_rows_points(result: dict[str, Any]) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    for point in result["points"]:
        found.setdefault(point["rows"], []).append(point)
    return found


def _few_rows_classifiers(result: dict[str, Any]) -> list[str]:
    return [CHOSEN, *dict.fromkeys(name for point in result["points"] for name in point["classifiers"])]


def _few_rows_score(drawn: list[dict[str, Any]], name: str) -> tuple[float, float, float] | None:
    """Return the mean and range of macro-F1 over draws, or the interval of a single draw; None if the classifier is missing."""
    found = [point["classifiers"].get(point["chosen"] if name == CHOSEN else name) for point in drawn]
    if any(one is None for one in found):
        return None
    values = [one["macro_f1"] for one in found]
    low, high = found[0]["interval"] if len(values) == 1 else (min(values), max(values))
    return sum(values) / len(values), low, high


def _mean(found: tuple[float, float, float], draws: int) -> str:
    mean, low, high = found
    return score(mean, low, high) if draws == 1 else f"{number(mean)} ({number(low)} to {number(high)})"


def memory() -> str:
    """Return the peak memory and time of `communique label`."""
    result = _result("memory")
    if result["options"] or result["distinct"]:
        raise SystemExit(
            "benchmarks/results/memory.json was not measured with the default options. Run benchmarks/memory.py without options"
        )
    return _memory(result["results"])


def app_load() -> str:
    """Return how the web app reaches its targets under load."""
    result = _result("app-load")
    settings, coding, wanted, reached = (result[name] for name in ("settings", "coding", "targets", "reached"))
    pages = [result["pages"], result["pages_after_coding"]]
    seconds, slowest = max((one["processor_seconds"], name) for found in pages for name, one in found.items())

    def milliseconds(value: float) -> str:
        return f"{1000 * value:,.0f} ms"

    shown: tuple[tuple[str, str, Callable[[float], str]], ...] = (
        ("errors", "errors", str),
        ("time of a coding request, 95th percentile", "p95_seconds", milliseconds),
        (f"time of the slowest page ({result['slowest_page']})", "page_seconds", milliseconds),
        ("memory", "memory_bytes", megabytes),
        (f"answers lost in {settings['kills']} kills", "lost_answers", str),
    )
    each = coding["server_processor_seconds_per_request"]
    rows = [
        ("coding requests per second", str(settings["rate"]), str(coding["requests_per_second"])),
        *((title, form(wanted[name]), form(reached[name])) for title, name, form in shown),
        ("processor time of the server per coding request", "–", milliseconds(each)),
        (f"processor time of the most expensive page ({slowest})", "–", milliseconds(seconds)),
    ]
    cores, load = result["machine"]["cores"], number(result["machine"]["load"], 1)
    lines = [
        f"{coding['requests']:,} coding requests were sent in a project of {settings['sentences']:,} sentences.",
        f"Each page was opened {settings['repeats']} times before and after them; the median counts.",
        f"The server, the simulated coders and other programs shared {cores} cores. The load average at the end was {load}.",
    ]
    return table(("measurement", "target", "reached"), rows) + "\n\n" + " ".join(lines)


def estimation_memory() -> str:
    """Return the peak memory and time of `communique estimate`."""
    return _memory(_result("estimation-memory")["runs"])


def estimation_groups() -> str:
    """Return the coverage of intervals of groups, by kind of estimand: in settings without a warning, and with one."""
    result = _result("estimation-groups")
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for setting in result["settings"].values():
        for line in setting["results"]:
            if line["intervals"]:
                found.setdefault((line["estimand"], line["target"]), []).append(line)
    head = ("estimate", "target", "settings", "without a warning", "of these 93 to 97 %", "coverage", "with a warning", "coverage",
            "width compared with gold", "wider than gold: lambda per group", "one lambda")  # fmt: skip
    rows = []
    for (estimand, target), lines in found.items():
        sure, doubted = ([one for one in lines if one["setting_warned"] is warned] for warned in (False, True))
        inside = sum(0.93 <= one["coverage"] <= 0.97 for one in sure)
        width = sum(one["width"] for one in lines) / sum(one["width_gold"] for one in lines) - 1
        wider = [
            percent(sum(one[key] for one in lines) / len(lines)) if key in lines[0] else "–"
            for key in ("wider_than_gold", "pooled_wider_than_gold")
        ]
        counts = (str(len(lines)), str(len(sure)), str(inside), _range(sure), str(len(doubted)), _range(doubted))
        rows.append((estimand, target, *counts, f"{width:+.0%}", *wider))
    text = f"{result['draws']:,} draws in each of {len(result['settings'])} settings."
    return f"{text}\n\n{table(head, rows)}"


def _range(lines: list[dict[str, Any]]) -> str:
    """Format the lowest and the highest coverage."""
    values = [one["coverage"] for one in lines]
    return f"{percent(min(values), 1)} to {percent(max(values), 1)}" if values else "–"


def panel_walk() -> str:
    """Return the durations of a project on a real panel, and how its estimates compare with the simulated truth."""
    result = _result("panel-walk")
    steps = table(
        ("command", "minutes", "CPU minutes"),
        (
            (f"`{_shortened(s['command'])}`", _minutes(s["seconds"]), _minutes(s["cpu_seconds"]))
            for s in result["steps"]
        ),
    )
    total, cpu = (_minutes(sum(s[key] for s in result["steps"])) for key in ("seconds", "cpu_seconds"))
    size = f"{result['sentences']:,} sentences in {result['documents']} speeches"
    parts = [f"{size}; {total} minutes in all ({cpu} CPU minutes).", steps]
    for title, key in PANEL_WALK.items():
        part = result[key]
        parts += [
            f"**{title}** ({part['sentences']:,} sentences)",
            _levels(part["levels"]),
            _families(part["contrasts"]),
        ]
    parts += [
        "**Bias of naive proportions**: means over groups of the differences from the truth.",
        _naive_bias(result),
    ]
    parts += [
        "**Estimates and truth**: proportions, with the truth in parentheses (`finite-population`).",
        _margins(result),
    ]
    return "\n\n".join(parts)


#: The estimates of `panel_walk.py`, by title.
PANEL_WALK = {
    "Region and year, `finite-population`": "finite-population",
    "Region and year, `superpopulation`": "superpopulation",
    "Country and year in one region, `finite-population`": "panel",
}


def _levels(levels: dict[str, Any]) -> str:
    """Return the table of proportions: intervals of PPI++, compared with those of gold alone and with naive proportions."""
    head = ("groups", "intervals", "contain the truth", "without a warning", "of these contain the truth", "mean width",
            "width of gold alone", "mean error", "error of gold alone", "naive error", "naive intervals that do")  # fmt: skip
    rows = []
    for level, found in levels.items():
        ppi, gold, naive = (found["methods"][name] for name in ("ppi", "gold", "naive"))
        counts = (str(ppi["intervals"]), _of(ppi["covered"], ppi["intervals"]), str(ppi["without_warning"]),
                  _of(ppi["covered_without_warning"], ppi["without_warning"]))  # fmt: skip
        widths = (number(one["width"]) for one in (ppi, gold))
        errors = (number(one["mean_absolute_error"]) for one in (ppi, gold, naive))
        rows.append(
            (f"{level} ({found['groups']})", *counts, *widths, *errors, _of(naive["covered"], naive["intervals"]))
        )
    return table(head, rows)


def _naive_bias(result: dict[str, Any]) -> str:
    """Return the mean error of naive proportions, and of PPI++, by level of groups and label."""
    rows = []
    for level, found in result["finite-population"]["levels"].items():
        for name, title in (("naive", "naive"), ("ppi", "PPI++")):
            labels = found["methods"][name]["labels"].values()
            rows.append([f"{level}, {title}", *(signed(one["mean_error"]) for one in labels)])
    return table(("groups", *result["true_proportions"]), rows)


def _margins(result: dict[str, Any]) -> str:
    """Return the proportions of regions and years next to the truth."""
    groups: dict[str, list[str]] = {}
    for one in result["finite-population"]["margins"]:
        found = score(one["estimate"], one["low"], one["high"])
        groups.setdefault(", ".join(one["group"]), []).append(f"{found} ({number(one['truth'])})")
    return table(("group", *result["true_proportions"]), ([group, *cells] for group, cells in groups.items()))


def _families(families: dict[str, Any]) -> str:
    """Return the table of comparisons."""
    head = ("comparison", "contrasts", "contain the truth", "with a warning", "significant", "with the wrong sign", "mean error",
            "naive error")  # fmt: skip
    rows = (
        (family, str(one["contrasts"]), _of(one["covered"], one["contrasts"]), str(one["warned"]), str(one["significant"]),
         str(one["significant_with_wrong_sign"]), number(one["mean_absolute_error"]), number(one["naive_mean_absolute_error"]))
        for family, one in families.items()
    )  # fmt: skip
    return table(head, rows)


def _of(part: int, whole: int) -> str:
    return f"{part} ({percent(part / whole)})" if whole else "–"


def _minutes(seconds: float) -> str:
    return number(seconds / 60, 1)


def _shortened(command: str) -> str:
    """Return a command with the names of its files, without their folders."""
    return " ".join(word.rsplit("/", 1)[-1] for word in command.split(" "))


def _memory(runs: list[dict[str, Any]]) -> str:
    rows = ((f"{r['rows']:,}", megabytes(r["peak_mb"] * 1e6), number(r["seconds"], 0)) for r in runs)
    return table(("rows", "peak memory", "seconds"), rows)


def _times(name: str, ratio: dict[str, Any]) -> list[str]:
    value, low, high = (number(value, 2) for value in (ratio["ratio"], *ratio["ratio_range"]))
    return [f"{name} ({ratio['best']})", value, f"{low} to {high}"]


def summaries() -> dict[str, dict[str, Any]]:
    """Return the summaries that `communique benchmark` wrote, by name."""
    paths = (path for path in sorted(RESULTS.glob("*.json")) if "tables" in _result(path.stem))
    return {summary["benchmark"]: summary for summary in map(read, paths)}


def tables() -> dict[str, Callable[[], str]]:
    """Return functions that write the tables, by the name in their markers."""
    found: dict[str, Callable[[], str]] = {
        "overview": overview,
        "quality": quality,
        "acts": acts,
        "robustness": robustness,
        "out-of-fold": partial(out_of_fold, "documents"),
        "out-of-fold-sources": partial(out_of_fold, "sources"),
        "recipe-fields": recipe_fields,
        "speed": speed,
        "memory": memory,
        "app-load": app_load,
        "estimation-memory": estimation_memory,
        "estimation-groups": estimation_groups,
        "panel-walk": panel_walk,
    }
    found |= {f"few-rows-{task}": partial(few_rows, task) for task in FEW_ROWS}
    return found | {name: partial(render_summary, summary) for name, summary in summaries().items()}


def rewritten(text: str) -> str:
    """Replace the text between markers with the current tables."""
    for name, made in tables().items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if pattern.search(text):
            content = made().strip()
            text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)  # type: ignore[misc]
    return text


def outdated() -> list[Figure]:
    """Return the figures that are missing or do not show the current results."""
    found = [figure for summary in summaries().values() for figure in figures(summary)]
    found += [few_rows_figure(task) for task in FEW_ROWS]
    return [figure for figure in found if not figure.current(FIGURES)]


def main() -> None:
    """Write or check the tables and figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    problems = []
    for document in DOCUMENTS:
        before = document.read_text(encoding="utf-8")
        after = rewritten(before)
        if before != after:
            if arguments.write:
                document.write_text(after, encoding="utf-8")
            problems.append(f"{document}: tables do not show the results in benchmarks/results. Run `make tables`")
    for figure in outdated():
        if arguments.write:
            FIGURES.mkdir(exist_ok=True)
            figure.write(FIGURES)
        problems.append(
            f"{FIGURES / figure.name}.svg: does not show the results in benchmarks/results. Run `make tables`"
        )
    if arguments.check and problems:
        sys.exit("\n".join(problems))


if __name__ == "__main__":
    main()
