"""The R code of docs/guides/r-and-stata.md: it runs, and its results agree with those of `communique estimate`."""

from __future__ import annotations

import csv
import os
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from helpers import PATIENCE, ROOT, succeed

from communique import Codebook, Corpus
from communique.io.write import write_parquet

pytestmark = pytest.mark.slow

PAGE = ROOT / "docs/guides/r-and-stata.md"
CODEBOOK = ROOT / "data/codebook.yaml"

#: Options of `communique sample`, by the row of the page's table.
SAMPLES = {
    "simple": [],
    "stratified by language": ["--by", "language"],
    "two-stage, without strata": ["--design", "two-stage"],
}

#: Added to the page's code: every result as a row.
EXPORT = """
rows <- function(what, x) {
  data.frame(what = what, term = names(coef(x)), estimate = as.numeric(coef(x)), error = as.numeric(unlist(SE(x))))
}
found <- rbind(rows("by_document", proportions), rows("by_language", by_language))
if (exists("by_sentence")) {
  found <- rbind(found, rows("by_sentence", svymean(make.formula(labels), by_sentence)))
  found <- rbind(found, data.frame(what = "ppi", term = "criticism", estimate = ppi, error = as.numeric(SE(error))))
}
write.csv(found, "r.csv", row.names = FALSE)
"""

Number = tuple[float, float]


def code_blocks() -> list[str]:
    """Return the R code of the page that is marked as tested."""
    return re.findall(r"<!-- runs in the tests -->\n```r\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def rscript() -> str:
    """Return the path of Rscript. Skip the test if R or its package `survey` is missing."""
    path = shutil.which("Rscript")
    if path is None:
        pytest.skip("Rscript is not installed (Debian: apt-get install r-base-core r-cran-survey)")
    if subprocess.run([path, "-e", "library(survey)"], capture_output=True, timeout=PATIENCE).returncode:
        pytest.skip("R's package 'survey' is not installed (Debian: apt-get install r-cran-survey)")
    return path


def simulate(folder: Path, options: list[str]) -> None:
    """Write labelled.parquet, gold.csv and estimates/ from `data/authored`; its labels are the codings."""
    codebook = Codebook.load(CODEBOOK)
    corpus = Corpus.read(ROOT / "data/authored", codebook, labelled=True)
    # Only these languages have enough documents for strata.
    corpus = corpus.where(lambda s: "-q" not in s.document)
    truth = {sentence.id: set(sentence.labels or ()) for sentence in corpus}
    draw = np.random.default_rng(0)
    rows = []
    for sentence in corpus:
        carried = np.array([name in truth[sentence.id] for name in codebook.names])
        logit = np.where(carried, 1.5, -1.5) + 1.2 * draw.normal(size=len(carried))
        p = 1 / (1 + np.exp(-logit))
        rows.append(
            {
                "id": sentence.id,
                "document": sentence.document,
                "index": sentence.index,
                "language": sentence.language,
                "text": sentence.text,
                "labels": [name for name, value in zip(codebook.names, p, strict=True) if value >= 0.5],
                "probabilities": dict(zip(codebook.names, p.tolist(), strict=True)),
            }
        )
    write_parquet(folder / "labelled.parquet", rows)
    succeed(
        *("sample", folder / "labelled.parquet", "-n", 300, "--codebook", CODEBOOK, "--seed", 1, *options),
        *("-o", folder / "sheet.csv"),
    )
    with (folder / "sheet.csv").open(encoding="utf-8-sig", newline="") as handle:
        sheet = list(csv.DictReader(handle))
    for row in sheet:
        row |= {name: "yes" if name in truth[row["id"]] else "no" for name in codebook.names}
    with (folder / "coded.csv").open("w", encoding="utf-8", newline="") as handle:
        writer = csv.DictWriter(handle, list(sheet[0]))
        writer.writeheader()
        writer.writerows(sheet)
    succeed("agree", folder / "coded.csv", "--gold", folder / "gold.csv")
    for target, out in (("superpopulation", "estimates"), ("finite-population", "finite")):
        succeed(
            *("estimate", folder / "labelled.parquet", folder / "gold.csv", "--codebook", CODEBOOK),
            *("--by", "language", "--target", target, "--out", folder / out),
        )


def estimates(path: Path) -> dict[tuple[str, str, str], Number]:
    """Return estimates and standard errors by method, language and label."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        return {
            (row["method"], row["language"], row["label"]): (float(row["estimate"]), float(row["std_error"]))
            for row in csv.DictReader(handle)
        }


def stated_ratios() -> dict[tuple[str, str], Number]:
    """Return the least and the greatest ratio of standard errors that the page states, by sample and design in R."""
    rows = re.findall(
        r"^\| (.+?) \| `(by_\w+)` \| .+? \| ([\d.]+) to ([\d.]+) \|$", PAGE.read_text("utf-8"), re.MULTILINE
    )
    return {(sample, design): (float(low), float(high)) for sample, design, low, high in rows}


@pytest.mark.parametrize("sample", SAMPLES)
def test_r_code_of_the_page_agrees_with_communique_estimate(tmp_path: Path, rscript: str, sample: str) -> None:
    two_stage = "two-stage" in SAMPLES[sample]
    simulate(tmp_path, SAMPLES[sample])
    blocks = code_blocks()
    assert len(blocks) == 6
    if two_stage:
        # The page says that `by_sentence` is not for two-stage samples.
        blocks = [block for block in blocks if "by_sentence" not in block]
    (tmp_path / "page.R").write_text("".join(blocks) + EXPORT, encoding="utf-8")
    done = subprocess.run(
        [rscript, "page.R"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        env=os.environ | {"LC_ALL": "C.UTF-8"},
    )
    assert done.returncode == 0, done.stderr
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as handle:
        found = [
            (row["what"], row["term"], float(row["estimate"]), float(row["error"])) for row in csv.DictReader(handle)
        ]
    designs = {"by_document", "by_language"} if two_stage else {"by_document", "by_language", "by_sentence", "ppi"}
    assert {what for what, *_ in found} == designs
    superpopulation = estimates(tmp_path / "estimates/estimates.csv")
    finite = estimates(tmp_path / "finite/estimates.csv")
    ratios = stated_ratios()
    for what, term, estimate, error in found:
        if what == "by_language":
            language, label = term.split(":")
            value, _ = superpopulation["gold", language, label]
            assert estimate == pytest.approx(value, abs=1e-9)
            continue
        low, high = ratios[sample, "by_sentence" if what == "ppi" else what]
        targets = [superpopulation] if what == "by_document" else [finite]
        for target in [superpopulation, finite] if two_stage else targets:
            value, std_error = target["ppi" if what == "ppi" else "gold", "all", term]
            assert estimate == pytest.approx(value, abs=1e-9)
            assert low <= std_error / error <= high, (what, term, std_error / error)
