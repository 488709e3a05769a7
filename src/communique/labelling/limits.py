"""Warn if a corpus differs from the training data of the model that labelled it, with the loss to expect."""

from __future__ import annotations

from collections import Counter

from ..data.predictions_schema import OUT_OF_DOMAIN
from ..data.units import MANY_CHARACTERS
from ..models.info import ModelInfo
from ..models.limits import FAR, RARE, Group, Limits
from ..reporting.format import counted, number, score
from ..text.language import UNDETERMINED
from ..text.language_codes import primary
from .summary import Summary
from .units import FEW

#: Proportion and number of unusual sentences from which a warning is printed. By definition, 1 % of the training sentences are
#: unusual. Of 100 independent sentences of the same kind, at least five are unusual with a probability of 0.003.
UNUSUAL, LEAST = 0.05, 5

#: Proportion of the sentences from which a language is reported. Languages of single sentences are not always identified correctly.
REPORTED = 0.01

#: What to do about all warnings.
ADVICE = (
    "To measure how well the model labels these texts, code a sample and run `communique estimate`. To improve it, code a few "
    "hundred of their sentences and train a model with `communique train`"
)


#: The sentences on which a loss was measured. The outer 5 % of them were measured, because the 1 % of the warnings are too few.
_MEASURED: dict[Group, str] = {
    "far": "the {n} sentences least similar to the training sentences, of those that did not train the model",
    "short": "the {n} shortest sentences that did not train the model",
    "long": "the {n} longest sentences that did not train the model",
    "rare language": "{n} sentences in languages with few training sentences that did not train the model",
}


def limit_lines(summary: Summary, info: ModelInfo, *, scored: bool = False) -> list[str]:
    """Return warnings about a labelled corpus: unfamiliar languages, unusual lengths, and sentences unlike the training sentences.

    Args:
        summary: Counts of the corpus.
        info: The model.
        scored: Whether the output contains the out-of-domain score of each sentence.
    """
    limits = info.limits or Limits()
    lines = [
        *_languages(summary, info, limits),
        *_lengths(summary, info, limits),
        *_distance(summary, info, limits, scored=scored),
    ]
    return [*(f"warning: {line}" for line in lines), *([ADVICE] if lines else [])]


def _languages(summary: Summary, info: ModelInfo, limits: Limits) -> list[str]:
    trained: Counter[str] = Counter()
    for code, n in info.training.by_language.items():
        if code != UNDETERMINED:
            trained[_primary(code)] += n
    # A language model, and a model whose training data do not name their languages.
    if not trained or info.training.by_language.get(UNDETERMINED, 0) >= info.training.sentences / 2:
        return []
    least = max(1.0, REPORTED * summary.labelled)
    unfamiliar = {
        code: n
        for code, n in summary.languages.most_common()
        if code != UNDETERMINED and n >= least and trained[_primary(code)] < RARE
    }
    lines = []
    for absent in (True, False):
        found = {code: n for code, n in unfamiliar.items() if (_primary(code) not in trained) == absent}
        if not found:
            continue
        where = (
            f"that {info.name} was not trained on"
            if absent
            else f"of which {info.name} was trained on fewer than {RARE} sentences"
        )
        shown = ", ".join(f"{code} {n}" for code, n in found.items())
        lines.append(
            f"{_proportion(sum(found.values()), summary.labelled)} in languages {where} ({shown}). "
            + _expected(limits, "rare language", at_least=absent)
        )
    return lines


def _primary(code: str) -> str:
    """Return the primary language. Bokmål counts as Norwegian, because language identification does not distinguish them."""
    language = primary(code)
    return "no" if language == "nb" else language


def _lengths(summary: Summary, info: ModelInfo, limits: Limits) -> list[str]:
    split = "If rows of a table contain paragraphs, split them with --split"
    if limits.length is None:
        if not _is_unusual(summary.lengthy, summary):
            return []
        return [f"{_proportion(summary.lengthy, summary.labelled)} longer than {MANY_CHARACTERS} characters. {split}"]
    lines = []
    if _is_unusual(summary.long, summary):
        lines.append(
            f"{_proportion(summary.long, summary.labelled)} longer than 99 % of the training sentences of {info.name}. {split}. "
            + _expected(limits, "long")
        )
    if _is_unusual(summary.short, summary):
        lines.append(
            f"{_proportion(summary.short, summary.labelled)} shorter than 99 % of the training sentences of {info.name}, such as "
            f"headings and parts of sentences. {_expected(limits, 'short')}"
        )
    return lines


def _distance(summary: Summary, info: ModelInfo, limits: Limits, *, scored: bool) -> list[str]:
    if limits.domain is None or not _is_unusual(summary.far, summary):
        return []
    which = f"choose the rows whose {OUT_OF_DOMAIN} is above {FAR}" if scored else "label with --out-of-domain"
    return [
        f"{_proportion(summary.far, summary.labelled)} less similar to the training sentences of {info.name} than "
        f"{100 * FAR:.0f} % of the sentences of the same kind. {_expected(limits, 'far')} To list them, {which}"
    ]


def _is_unusual(n: int, summary: Summary) -> bool:
    return summary.labelled >= FEW and n >= max(LEAST, UNUSUAL * summary.labelled)


def _proportion(n: int, of: int) -> str:
    return f"{n:,} of {counted(of, 'sentence')} ({n / of:.1%}) {'is' if n == 1 else 'are'}"


def _expected(limits: Limits, group: Group, *, at_least: bool = False) -> str:
    """Say which loss of macro-F1 to expect in a group of sentences, or at least to expect."""
    if (loss := limits.loss(group)) is None:
        return "How much worse the model labels them was not measured."
    which = _MEASURED[group].format(n=f"{loss.n:,}")
    lost = f"loss {score(loss.loss, loss.low, loss.high)}" if loss.loss > 0 else "no loss"
    least = " Expect at least this loss." if at_least and loss.loss > 0 else ""
    return f"On {which}, macro-F1 was {number(loss.macro_f1)}, compared with {number(loss.others)} on all others ({lost}).{least}"
