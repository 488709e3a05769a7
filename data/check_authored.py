"""Check that the authored sentences resemble real ones and treat all countries in the same way.

    python data/check_authored.py --texts TEXTS [--authored FOLDER]

For each language, a bag-of-words model tries to separate the authored sentences from the real sentences of reference/train.jsonl.
Its area under the ROC curve (AUC) must be at most 0.85, in cross-validation over documents. For each country that at least 20
authored sentences name, the proportion of every label is compared with that of the sentences that name other countries (Fisher's
exact test, corrected by Holm's method over all countries and labels). No difference may be significant at 0.05.

The program exits with 1 if one of these conditions is not met. TEXTS contains the texts of data/reference; see data/README.md.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from babel import Locale, UnknownLocaleError
from numpy.typing import NDArray
from scipy.stats import fisher_exact
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline

from communique.actors.names import english_name
from communique.data.codebook import Codebook
from communique.data.corpus import Corpus
from communique.data.sources import CorpusSource
from communique.data.standoff import read_sources
from communique.metrics.bootstrap import MIN_CLUSTERS, Resamples, interval_or_nan
from communique.metrics.multiple_testing import holm

DATA = Path(__file__).resolve().parent

#: Highest AUC of a language.
MAX_AUC = 0.85

#: Minimum number of authored sentences that name a country, for the country to be compared with the others.
MIN_NAMED = 20

#: Number of folds, and minimum number of authored documents of a language.
FOLDS, MIN_DOCUMENTS = 5, 2

#: Languages that do not separate words by spaces. Their bag contains characters and pairs of characters.
UNSPACED = {"zh", "ja", "th"}

#: Names of at least this length are also found if their last two letters are inflected.
STEM = 6


@dataclass(frozen=True)
class Separation:
    """How well authored and real sentences of a language can be separated. The interval is over documents."""

    language: str
    auc: float
    low: float
    high: float
    authored: int
    authored_documents: int
    real: int


@dataclass(frozen=True)
class Difference:
    """The proportion of a label in authored sentences that name a country, and in those that name other countries only."""

    country: str
    label: str
    named: int
    rate: float
    others: float
    p: float


def separation(language: str, authored: Corpus, real: Corpus) -> Separation:
    """Compute the AUC of a bag-of-words model that separates authored from real sentences, in grouped cross-validation."""
    rows = authored + real
    texts = [s.text for s in rows]
    labels = np.arange(len(rows)) < len(authored)
    documents = np.array(["\x1f".join(map(str, s.document_key)) for s in rows])
    folds = min(FOLDS, len(authored.documents))
    kind, lengths = ("char", (1, 2)) if language in UNSPACED else ("word", (1, 1))
    model = make_pipeline(
        CountVectorizer(
            analyzer=kind, ngram_range=lengths, token_pattern=r"(?u)\b\w+\b" if kind == "word" else None, binary=True
        ),
        LogisticRegression(class_weight="balanced", max_iter=1000),
    )
    parts = StratifiedGroupKFold(folds, shuffle=True, random_state=0)
    scores = cross_val_predict(model, texts, labels, groups=documents, cv=parts, method="decision_function")
    auc = float(roc_auc_score(labels, scores))
    resamples = Resamples.draw(documents.tolist(), seed=0, resamples=200)
    drawn = np.array([_auc(labels, scores, weights) for chunk in resamples.row_weights() for weights in chunk])
    few = len(authored.documents) < MIN_CLUSTERS
    _, low, high = interval_or_nan(auc, drawn, MIN_CLUSTERS - 1 if few else resamples.clusters)
    return Separation(language, auc, low, high, len(authored), len(authored.documents), len(real))


def _auc(labels: NDArray[np.bool_], scores: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    drawn = weights > 0
    if labels[drawn].all() or not labels[drawn].any():
        return float("nan")
    return float(roc_auc_score(labels[drawn], scores[drawn], sample_weight=weights[drawn]))


def countries(language: str) -> dict[str, re.Pattern[str]]:
    """Return a pattern of the name of each country in a language. Babel has the names; adjectives are not found."""
    try:
        names = Locale.parse(language).territories
    except UnknownLocaleError:
        return {}
    found = {}
    for code, name in names.items():
        if not re.fullmatch("[A-Z]{2}", code) or code in ("EU", "EZ", "UN", "XA", "XB", "ZZ"):
            continue
        inflected = language not in UNSPACED and len(name) >= STEM
        start = "" if language in UNSPACED else r"(?<!\w)"
        found[code] = re.compile(
            start + re.escape(name[:-2] if inflected else name) + (r"\w{0,5}(?!\w)" if inflected else "")
        )
    return found


def differences(authored: Corpus, codebook: Codebook) -> list[Difference]:
    """Compare the labels of sentences that name a country with those of sentences that name only other countries."""
    patterns = {language: countries(language) for language in {s.language for s in authored}}
    named = [{code for code, p in patterns[s.language].items() if p.search(s.text)} for s in authored]
    tests: list[Difference] = []
    for code in sorted(set().union(*named)):
        inside = [s for s, codes in zip(authored, named, strict=True) if code in codes]
        outside = [s for s, codes in zip(authored, named, strict=True) if codes and code not in codes]
        if len(inside) < MIN_NAMED or not outside:
            continue
        for label in codebook.names:
            with_label, others = (sum(label in (s.labels or ()) for s in part) for part in (inside, outside))
            table = [[with_label, len(inside) - with_label], [others, len(outside) - others]]
            p = float(fisher_exact(table).pvalue)
            tests.append(
                Difference(english_name(code), label, len(inside), with_label / len(inside), others / len(outside), p)
            )
    return [
        Difference(one.country, one.label, one.named, one.rate, one.others, p)
        for one, p in zip(tests, holm([one.p for one in tests]), strict=True)
    ]


def check(texts: Path, folder: Path) -> bool:
    """Print both checks, and return whether all conditions are met."""
    codebook = Codebook.load(DATA / "codebook.yaml")
    authored, real = (
        read_sources([CorpusSource(path=str(path))], codebook, texts)[0]
        for path in (folder, DATA / "reference" / "train.jsonl")
    )
    fine = True
    print("language  AUC [95 % interval over documents]  authored sentences (documents)  real sentences")
    for language in sorted({s.language for s in authored}):
        own, other = (part.rows(np.array([s.language == language for s in part])) for part in (authored, real))
        if len(own.documents) < MIN_DOCUMENTS or not len(other):
            print(
                f"{language:<9} not checked: {len(own)} authored sentences of {len(own.documents)} documents, {len(other)} real"
            )
            continue
        one = separation(language, own, other)
        high = one.auc > MAX_AUC
        fine &= not high
        interval = "–" if np.isnan(one.low) else f"[{one.low:.3f}, {one.high:.3f}]"
        print(
            f"{language:<9} {one.auc:.3f} {interval}  {one.authored} ({one.authored_documents})  {one.real}"
            + ("  TOO HIGH" if high else "")
        )
    print(
        "\ncountry, label: proportion where it is named (sentences), proportion for other countries, p after Holm's correction"
    )
    for difference in differences(authored, codebook):
        significant = difference.p < 0.05
        fine &= not significant
        print(
            f"{difference.country}, {difference.label}: {difference.rate:.2f} ({difference.named}), {difference.others:.2f}, "
            f"p {difference.p:.3f}" + ("  DIFFERENT" if significant else "")
        )
    return fine


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Return the exit code: 0, or 1 if a condition is not met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=Path, required=True, help="folder with the texts of data/reference")
    parser.add_argument("--authored", type=Path, default=DATA / "authored", help="folder of authored sentences")
    chosen = parser.parse_args(arguments)
    return 0 if check(chosen.texts, chosen.authored) else 1


if __name__ == "__main__":
    sys.exit(main())
