"""Read the unlabelled texts of a recipe as sentences, without those on which a model is scored."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from ..data.corpus import Corpus
from ..data.leakage import Fingerprint
from ..data.sentence import Sentence
from ..data.texts import read_fingerprint, read_texts
from ..errors import DataError
from ..reporting.format import counted
from ..reporting.progress import ProgressReporter
from ..text.blocks import PageLine, text_blocks
from ..text.cleaning import has_letters
from ..text.language import UNDETERMINED, identify_language
from ..text.sentences import split_sentences
from .recipe import Recipe

#: Reasons for leaving out a sentence.
SCORED, LABELLED, REPEATED, LETTERLESS = (
    "in a document or with a text on which the model is scored",
    "with the text of a labelled row",
    "repeated",
    "without letters",
)

#: Message if a recipe has unlabelled texts that nothing reads.
NOT_USED = "the texts in 'unlabelled' are not used, because the recipe has no teachers and `--folds` is not given"


@dataclass(frozen=True)
class Unlabelled:
    """Sentences without labels, and how many were left out, by reason."""

    corpus: Corpus = field(default_factory=lambda: Corpus(()))
    left_out: dict[str, int] = field(default_factory=dict)

    @property
    def sha256(self) -> str:
        """Hash of the texts."""
        return hashlib.sha256("\n".join(s.sha256 for s in self.corpus).encode()).hexdigest()

    @property
    def reasons(self) -> str:
        """The number of sentences that were left out by reason, in words."""
        return ", ".join(f"{reason} {n}" for reason, n in self.left_out.items())

    def describe(self) -> str:
        """Return a line with the counts."""
        documents = counted(len(self.corpus.documents), "document")
        return f"{counted(len(self.corpus), 'unlabelled sentence')} in {documents}" + (
            f". Left out: {self.reasons}" if self.left_out else ""
        )


def read_unlabelled(
    recipe: Recipe,
    labelled: Corpus,
    scored: Corpus,
    *,
    folds: bool = False,
    progress: ProgressReporter | None = None,
) -> Unlabelled:
    """Read the texts of the field `unlabelled` and split them into sentences, if there are models that label them.

    Sentences are left out if their document or text is in the rows on which the model is scored or in a test corpus, if their text
    is that of a labelled row or of an earlier sentence, or if they have no letters.

    Args:
        recipe: The recipe.
        labelled: The labelled training rows.
        scored: The rows that tune or score the model. In cross-validation, these are all labelled rows.
        folds: Whether the models of a cross-validation label them, in addition to the teachers of the recipe.
        progress: Reports what was read and left out. Default: silent.

    Raises:
        CorpusError: Some rows or files are invalid.
        DataError: There is no sentence.
    """
    progress = progress or ProgressReporter.silent()
    if not recipe.unlabelled:
        return Unlabelled()
    if not (folds or recipe.teachers):
        progress.say(NOT_USED)
        return Unlabelled()
    texts, hashes = read_texts(recipe.unlabelled)
    if len(hashes):
        raise DataError(
            f"{hashes.name}: there is no text column, only hashes of texts. Name tables with texts in 'unlabelled'"
        )
    known, test = labelled.fingerprint(), read_fingerprint(recipe.sources("test"))
    held_out = scored.fingerprint()
    held_out = Fingerprint(held_out.documents | test.documents, held_out.texts | test.texts)
    kept: list[Sentence] = []
    seen: set[str] = set()
    left_out: Counter[str] = Counter()
    for sentence in _sentences(texts):
        if not has_letters(sentence.text):
            left_out[LETTERLESS] += 1
        elif held_out.overlap(sentence):
            left_out[SCORED] += 1
        elif known.has_text(sentence.sha256):
            left_out[LABELLED] += 1
        elif sentence.sha256 in seen:
            left_out[REPEATED] += 1
        else:
            seen.add(sentence.sha256)
            kept.append(sentence)
    found = Unlabelled(Corpus(tuple(kept), texts.files), {reason: left_out[reason] for reason in sorted(left_out)})
    if not kept:
        problem = f"no sentence is left ({found.reasons})" if left_out else "the tables contain no text"
        raise DataError(f"unlabelled: {problem}. Name other texts, or remove this field")
    progress.say(found.describe())
    return found


def _sentences(texts: Iterable[Sentence]) -> Iterator[Sentence]:
    for text in texts:
        language = text.language if text.language != UNDETERMINED else identify_language(text.text)
        blocks = (block for block in text_blocks(text.text) if not isinstance(block, PageLine))
        for i, sentence in enumerate(sentence for block in blocks for sentence in split_sentences(block, language)):
            yield replace(text, id=f"{text.id}:{i}", text=sentence, language=language, previous=None)
