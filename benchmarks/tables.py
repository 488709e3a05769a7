"""Write the README's tables from benchmarks/results and the shipped model's bundle.json.

python benchmarks/tables.py --write    rewrites what stands between the markers
python benchmarks/tables.py --check    exits with 1 where they differ
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
RESULTS = ROOT / "benchmarks/results"


def _result(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


def _value(value: dict[str, float | None]) -> str:
    if value["value"] is None:
        return "–"
    return f"{value['value']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"


def _row(name: str, group: dict[str, Any]) -> str:
    cells = " | ".join(f"{_value(label['f1'])} ({label['gold']})" for label in group["labels"])
    return f"| {name} | {group['n']} | {group['documents']} | {_value(group['macro_f1'])} | {cells} |"


def quality() -> str:
    """Macro-F1 and F1 by label of the shipped bundle on data/reference/dev.jsonl."""
    report = _result("dev")
    head = f"| rows | sentences | documents | macro-F1 | {' | '.join(f'{n} (gold)' for n in report['labels'])} |"
    groups = {(g["kind"], g["name"]): g for g in report["groups"]}
    lines = [head, "|---|---|---|---|" + "---|" * len(report["labels"])]
    lines.append(_row("**all**", groups["all", "all"]))
    lines.append(_row("sampled at random", groups["sampling", "random"]))
    lines += [_row(name, group) for (kind, name), group in groups.items() if kind == "language"]
    return "\n".join(lines)


def speed() -> str:
    """Sentences a second beside the stock pipeline."""
    result = _result("speed")
    cpu = result["cpu"]
    abilities = [name for name in ("avx2", "avx512_vnni", "amx_int8") if cpu.get(name)]
    lines = ["| engine | sentences/s |", "|---|---|"]
    lines += [f"| {name} | {rate:.0f} |" for name, rate in result["sentences_per_second"].items()]
    low, high = result["ratio_range"]
    return "\n".join(
        [
            *lines,
            "",
            f"`communique` is {result['ratio']:.1f} times as fast as the pipeline at its best ({result['best_pipeline']}; "
            f"{low:.1f} to {high:.1f} in {result['turns']} turns of one run): {result['sentences']} real sentences in their "
            f"given order, {result['threads']} threads, {cpu['name']} ({', '.join(abilities)}).",
        ]
    )


TABLES: dict[str, Callable[[], str]] = {"quality": quality, "speed": speed}


def rewritten(text: str) -> str:
    """Put each table between its markers."""
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)", re.DOTALL)
        if not pattern.search(text):
            raise SystemExit(f"{README}: no markers <!-- {name} --> and <!-- /{name} -->")
        content = table()
        text = pattern.sub(lambda match, content=content: f"{match[1]}{content}\n{match[2]}", text)  # type: ignore[misc]
    return text


def main() -> None:
    """Write or check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    action = parser.add_mutually_exclusive_group(required=True)
    action.add_argument("--write", action="store_true")
    action.add_argument("--check", action="store_true")
    arguments = parser.parse_args()
    before = README.read_text(encoding="utf-8")
    after = rewritten(before)
    if arguments.write:
        README.write_text(after, encoding="utf-8")
    elif before != after:
        sys.exit(f"{README}: tables differ from benchmarks/results; run `make tables`")


if __name__ == "__main__":
    main()
