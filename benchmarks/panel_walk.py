"""Walk through a whole project on a real panel of speeches, from a codebook to estimates, with simulated coders.

    python benchmarks/panel_walk.py DATA --work DIR

DATA is the folder of the speeches (`speeches-2013-2017.csv.gz`, with the columns document, country, year and text; not part of
the repository). The program runs the commands of the command line one after the other, as a user would. Coders are simulated by
the rule in `panel_truth.py`, which also says what the truth is for every sentence. The program then compares the estimates with
this truth and writes `results/panel-walk.json`.

All seeds are fixed. A walk that was stopped resumes: a command that is recorded in DIR/steps.json is not run again. To repeat the
walk, use another DIR.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
from openpyxl import load_workbook
from panel_comparison import Truth, contrasts_compared, estimates_compared, margins, read_ids, read_rows
from panel_regions import REGIONS
from panel_truth import truth, with_errors
from usage import measured

from communique.data.codebook import Codebook
from communique.io.atomic import replacing
from communique.io.paths import find_files
from communique.labelling.options import Options
from communique.labelling.reader import ShardReader
from communique.labelling.unlabelled import read_unlabelled
from communique.models.info import git_commit

HERE = Path(__file__).parent
CODEBOOK = HERE / "recipes/panel-codebook.yaml"
SPEECHES = "speeches-2013-2017.csv.gz"

#: Number of sentences to code: for training, for estimates by region and year, and per country and year in the panel.
TRAINING, ESTIMATES, PER_CELL = 400, 1200, 5

#: The region of the panel by country and year.
PANEL = "western_europe_others"

#: Names of the coders. The second one errs.
CODERS = ("anna", "ben")


@dataclass(frozen=True)
class Step:
    """A command that was run.

    Attributes:
        name: What the step does.
        command: The command as it was typed.
        seconds: Wall-clock seconds.
        cpu_seconds: Processor seconds of the command and its processes.
    """

    name: str
    command: str
    seconds: float
    cpu_seconds: float


class Walk:
    """Runs commands and keeps their durations, so that a stopped walk can resume."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._file = work / "steps.json"
        done = json.loads(self._file.read_text(encoding="utf-8")) if self._file.exists() else []
        self.steps = [Step(**one) for one in done]
        self._logs = work / "logs"
        self._logs.mkdir(parents=True, exist_ok=True)

    def run(self, name: str, *arguments: str, folder: Path) -> None:
        """Run a command in a folder unless an earlier run of the walk has done so. Stop the program if it fails."""
        command = shlex.join(("communique", *arguments))
        if any(step.name == name for step in self.steps):
            return
        log = self._logs / f"{len(self.steps) + 1:02d}-{name.replace(' ', '-')}.txt"
        used = measured(arguments, log, folder)
        step = Step(name, command, round(used.seconds, 1), round(used.cpu_seconds, 1))
        self.steps.append(step)
        with replacing(self._file) as handle:
            handle.write(json.dumps([asdict(one) for one in self.steps], indent=1) + "\n")
        print(f"{step.seconds:7.1f} s {step.cpu_seconds:7.1f} s CPU  {step.command}", flush=True)


def write_documents(data: Path, path: Path) -> None:
    """Copy the speeches with a column `region`. With hard-wrapped lines, as they are."""
    csv.field_size_limit(10**9)
    with gzip.open(data / SPEECHES, "rt", encoding="utf-8", newline="") as source:
        rows = [row | {"region": REGIONS[row["country"]]} for row in csv.DictReader(source)]
    with path.open("w", encoding="utf-8", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read_truth(documents: Path, codebook: Codebook) -> Truth:
    """Return the simulated truth about all sentences that `communique sample --split` reads from the documents."""
    options = Options(split=True, as_json=False, labels=codebook.names)
    texts = read_unlabelled(ShardReader(find_files([str(documents)]), options), codebook).population
    names = texts.document_names
    regions, years, countries = (texts.columns[name].values() for name in ("region", "year", "country"))
    ids, bodies, previous = (column.to_pylist() for column in (texts.ids, texts.texts, texts.previous))
    labels = np.zeros((len(ids), len(codebook.names)), np.bool_)
    for row, identity in enumerate(ids):
        document = names[texts.documents[row]]
        found = truth(identity, bodies[row], previous[row] or "", document, regions[row], int(years[row]))
        labels[row] = [name in found for name in codebook.names]
    columns = {"region": np.array(regions), "year": np.array(years), "country": np.array(countries)}
    return Truth(codebook.names, np.array(ids), np.array(names)[texts.documents], labels, columns)


def fill_in(sheet: Path, known: Truth, *, errs: bool = False) -> int:
    """Fill in a sheet with the truth, or with that of a coder who errs. Return the number of rows."""
    book = load_workbook(sheet)
    rows = book["coding"]
    column = {cell.value: cell.column for cell in rows[1]}
    for row in range(2, rows.max_row + 1):
        identity = str(rows.cell(row, column["id"]).value)
        labels = known.labels_of(identity)
        if errs:
            labels = with_errors(identity, labels)
        for label in known.names:
            rows.cell(row, column[label]).value = "yes" if label in labels else "no"
    book.save(sheet)
    return int(rows.max_row) - 1


def code(walk: Walk, known: Truth, sample: str, folder: Path) -> None:
    """Fill in the sheets of a sample of a project, merge them, and adjudicate the differences."""
    sheets = [f"samples/{sample}-{coder}.xlsx" for coder in CODERS]
    done = {step.name for step in walk.steps}
    if f"merge {sample}" not in done:
        for number, sheet in enumerate(sheets):
            fill_in(folder / sheet, known, errs=number > 0)
    walk.run(f"merge {sample}", "merge", *sheets, folder=folder)
    walk.run(f"agree {sample}", "agree", folder=folder)
    differences = f"samples/{sample}-adjudication.xlsx"
    if f"merge adjudication {sample}" not in done:
        fill_in(folder / differences, known)
    walk.run(f"merge adjudication {sample}", "merge", differences, folder=folder)
    walk.run(f"status after {sample}", "status", folder=folder)


def run_project(walk: Walk, known: Truth, documents: Path, folder: Path) -> None:
    """Run a project from its codebook to the estimates by region and year."""
    coders = [part for coder in CODERS for part in ("--coder", coder)]
    by = ("--by", "region,year")
    walk.run("init", "init", str(folder), "--codebook", str(CODEBOOK), "--documents", str(documents), folder=walk.work)
    walk.run(
        "sample for training", "sample", "--split", "-n", str(TRAINING), "--design", "two-stage", *coders, folder=folder
    )
    code(walk, known, "sample-1", folder)
    walk.run("train", "train", "--kind", "tfidf", folder=folder)
    walk.run("label", "label", "--split", folder=folder)
    walk.run("learning curve", "status", "--curve", folder=folder)
    walk.run("plan", "sample", "--width", "0.1", *by, folder=folder)
    walk.run("sample for estimates", "sample", "-n", str(ESTIMATES), *by, *coders, folder=folder)
    code(walk, known, "sample-2", folder)
    compare = ("--compare", "rest", "--compare", "trend")
    for number, target in enumerate(("finite-population", "superpopulation"), 1):
        walk.run(f"estimate {target}", "estimate", *by, "--target", target, *compare, folder=folder)
        assert (folder / f"estimates/estimates-{number}").is_dir()
    walk.run("status at the end", "status", folder=folder)


def run_panel(walk: Walk, known: Truth, project: Path, folder: Path) -> None:
    """Estimate proportions by country and year in one region, on loose files, with the labels and the model of the project."""
    folder.mkdir(exist_ok=True)
    (labelled,) = sorted((project / "labelled").glob("*.parquet"))
    table = pq.read_table(labelled)
    table = table.filter(pc.equal(table["region"], PANEL))
    if not (folder / "labelled.parquet").exists():
        pq.write_table(table, folder / "labelled.parquet")
    model = os.path.relpath(project / "models/model-1", folder)
    trained = read_ids(project / "samples/sample-2.left-out.csv")
    cells = len(known.only({"region": PANEL}).without(trained).documents)
    coders = [part for coder in CODERS for part in ("--coder", coder)]
    drawn = ("sample", "labelled.parquet", "--model", model, "-n", str(PER_CELL * cells), "--by", "country,year")
    walk.run("panel: sample", *drawn, "--allocation", "equal", "-o", "sheet.xlsx", *coders, folder=folder)
    sheets = [f"sheet-{coder}.xlsx" for coder in CODERS]
    if not (folder / "gold.csv").exists():
        for number, sheet in enumerate(sheets):
            fill_in(folder / sheet, known, errs=number > 0)
    walk.run("panel: agree", "agree", *sheets, "--adjudicate", "differences.xlsx", folder=folder)
    if not (folder / "gold.csv").exists():
        fill_in(folder / "differences.xlsx", known)
    walk.run("panel: gold", "agree", *sheets, "differences.xlsx", "--gold", "gold.csv", folder=folder)
    estimated = ("estimate", "labelled.parquet", "gold.csv", "--model", model, "--design", "sheet.design.json")
    target = ("--by", "country,year", "--target", "finite-population", "--compare", "rest", "--skip-unsupported")
    walk.run("panel: estimate", *estimated, *target, "--out", "estimates", folder=folder)


def without_folders(command: str) -> str:
    """Return a command with absolute paths shortened to their names, because they say where the walk was run."""
    words = (Path(word).name if Path(word).is_absolute() else word for word in shlex.split(command))
    return shlex.join(words)


def results_of(folder: Path, known: Truth, left_out: Path) -> dict[str, Any]:
    """Compare the estimates in a folder with the truth about the same sentences, and about all sentences."""
    same = known.without(read_ids(left_out)) if left_out.exists() else known
    estimates, contrasts = (read_rows(folder / f"{name}.csv") for name in ("estimates", "contrasts"))
    return {
        "sentences": len(same),
        "levels": estimates_compared(estimates, same, known),
        "contrasts": contrasts_compared(contrasts, same),
        "margins": margins(estimates, same),
    }


def main() -> None:
    """Run the walk, compare the estimates with the truth, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, default=HERE / "results/panel-walk.json")
    given = parser.parse_args()
    work: Path = given.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    documents, project, panel = work / "speeches.csv", work / "debate", work / "panel"
    write_documents(given.data, documents)
    known = read_truth(documents, Codebook.load(CODEBOOK))
    print(f"{len(known)} sentences; true proportions: {known.proportions()}", flush=True)
    walk = Walk(work)
    run_project(walk, known, documents, project)
    run_panel(walk, known, project, panel)
    in_panel = known.only({"region": PANEL})
    left_out = project / "samples/sample-2.left-out.csv"
    content = {
        "commit": git_commit(),
        "sentences": len(known),
        "documents": len(known.documents),
        "true_proportions": {name: round(value, 4) for name, value in known.proportions().items()},
        "steps": [asdict(step) | {"command": without_folders(step.command)} for step in walk.steps],
        "finite-population": results_of(project / "estimates/estimates-1", known, left_out),
        "superpopulation": results_of(project / "estimates/estimates-2", known, left_out),
        "panel": results_of(panel / "estimates", in_panel, panel / "sheet.left-out.csv"),
    }
    with replacing(given.out) as handle:
        handle.write(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
