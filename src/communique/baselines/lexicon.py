"""A keyword lexicon, which counts the words of a list. It needs no model, and many teams use one today.

The list for the sentence's language is used. If the language is unknown or has no list, all lists are used, and the list with
the most hits counts. The only thing learned is how often a label is correct at no hit, one hit, and two or more hits.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from ..config import load_yaml
from ..data.codebook import Codebook
from ..data.corpus import Corpus
from ..data.sentence import Sentence
from ..errors import RecipeError
from ..text.language_codes import primary
from .base import Arrays, Storable, gold

#: The lexicon that is part of the package.
DEFAULT = Path(__file__).with_name("lexicon.yaml")

#: Largest number of hits that is distinguished, because few sentences have more.
MOST = 2

#: Weight, in sentences, of a label's prevalence in the proportions by number of hits, so that a rare number of hits does not
#: lead to a probability of 0 or 1.
WEIGHT = 2.0

# Arabic vowel signs and the elongation stroke, which are optional in writing; then the forms of alif that are often interchanged.
_MARKS = re.compile("[\u064b-\u0652\u0670\u0640]")
_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "’": "'", "ʼ": "'", "‘": "'"})


class LanguageLists(BaseModel):
    """The lists of one language. If `whole_words` is false, an entry is also found in the middle of a run of characters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: dict[str, tuple[str, ...]]
    whole_words: bool = True
    proclitics: tuple[str, ...] = Field((), description="may be attached to the word that follows")

    @field_validator("labels")
    @classmethod
    def _readable(cls, labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for label, entries in labels.items():
            for entry in entries:
                if problem := _problem(entry):
                    raise ValueError(f"{label}: {entry!r}: {problem}. Use words, `*`, `(a|b)`, `(a)?` and ` ... ` only")
        return labels

    def compile(self, label: str) -> re.Pattern[str] | None:
        """Return one pattern for a label's list, or None if the list is empty."""
        entries = [_expression(entry, self.whole_words) for entry in self.labels[label]]
        if not entries:
            return None
        either = "|".join(entries)
        if not self.whole_words:
            return re.compile(either)
        before = f"(?:{'|'.join(sorted(map(re.escape, map(normalize, self.proclitics)), key=len, reverse=True))})?"
        return re.compile(rf"(?<!\w){before if self.proclitics else ''}(?:{either})(?!\w)")


class Lexicon(BaseModel):
    """Lists of words by language (BCP 47 code without region) and label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: dict[str, LanguageLists] = Field(min_length=1)

    @classmethod
    def load(cls, path: str | Path) -> Lexicon:
        """Read a lexicon.

        Raises:
            RecipeError: The file is missing, is not YAML, or does not follow the notation.
        """
        return load_yaml(
            Path(path), cls, RecipeError, "A lexicon is a YAML file as described in docs/guides/baselines.md"
        )

    def missing(self, codebook: Codebook) -> str | None:
        """Return a language and a label of the codebook for which there is no list, or None."""
        for language, lists in self.languages.items():
            for name in codebook.names:
                if name not in lists.labels:
                    return f"{language}: {name!r}"
        return None


class LexiconClassifier(Storable):
    """A keyword lexicon with probabilities by number of hits.

    Args:
        codebook: Codebook with the labels.
        seed: Not used, because nothing is random.
        file: A lexicon. Default: the lexicon of the package, which covers only the labels of the package's codebook.

    After `fit`: `lexicon_`; `shares_` (k, 3), the proportion of sentences with a label at no hit, one hit and two or more hits.
    """

    name = "lexicon"
    files = ("file",)

    def __init__(self, codebook: Codebook, *, seed: int = 0, file: str | Path | None = None) -> None:
        super().__init__(codebook, seed=seed)
        self.file = file

    def fit(self, corpus: Corpus) -> Self:
        """Compute how often a label is correct by number of hits, pooled over languages and smoothed towards its prevalence.

        Raises:
            RecipeError: The lexicon has no list for a label.
        """
        lexicon = Lexicon.load(self.file or DEFAULT)
        if missing := lexicon.missing(self.codebook):
            remedy = "Add the list; it may be empty" if self.file else "Provide your own lexicon with the option file"
            raise RecipeError(f"{self.file or DEFAULT.name}: no list for {missing} of {self.codebook.name}. {remedy}")
        self._use(lexicon)
        labels, hits = gold(corpus, self.codebook), self.count(corpus.sentences)
        prevalence = labels.mean(axis=0)
        at = [(hits == number) for number in range(MOST + 1)]
        right = np.stack([(labels & there).sum(axis=0) + WEIGHT * prevalence for there in at], axis=1)
        self.shares_ = (right / np.stack([there.sum(axis=0) + WEIGHT for there in at], axis=1)).astype(np.float32)
        self.notes_ = ()
        unknown = len({primary(s.language) for s in corpus} - set(lexicon.languages))
        if unknown:
            languages = "1 language" if unknown == 1 else f"{unknown} languages"
            self.notes_ = (f"no list for {languages} of the training sentences, so all lists are used",)
        return self

    def count(self, sentences: Sequence[Sentence]) -> NDArray[np.int64]:
        """Count the hits (n, k) of each label's list, up to 2."""
        rows = [self._hits(normalize(s.model_text), primary(s.language)) for s in sentences]
        return np.array(rows, np.int64).reshape(len(rows), len(self.codebook.names))

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Return the proportions (n, k) for the numbers of hits. If exactly one label applies, each row sums to 1."""
        p = self.shares_[np.arange(len(self.codebook.names)), self.count(sentences)]
        return p if self.codebook.multilabel else np.asarray(p / p.sum(axis=1, keepdims=True), np.float32)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Return the lists and the proportions."""
        return {"lexicon": self.lexicon_.model_dump(mode="json"), "notes": list(self.notes_)}, {"shares": self.shares_}

    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Restore the lists and the proportions."""
        try:
            self._use(Lexicon.model_validate(content["lexicon"]))
        except ValidationError as error:
            raise ValueError("the lexicon in it is not valid") from error
        self.shares_, self.notes_ = arrays["shares"], tuple(content["notes"])
        return self

    def _use(self, lexicon: Lexicon) -> None:
        self.lexicon_ = lexicon
        self._patterns = {
            language: [lists.compile(name) for name in self.codebook.names]
            for language, lists in lexicon.languages.items()
        }

    def _hits(self, text: str, language: str) -> list[int]:
        used = [self._patterns[language]] if language in self._patterns else list(self._patterns.values())
        return [max(_count(patterns[label], text) for patterns in used) for label in range(len(self.codebook.names))]


def normalize(text: str) -> str:
    """Normalise a text for matching: NFKC, case folded, no Arabic vowel signs, one form each of alif and the apostrophe."""
    return _MARKS.sub("", unicodedata.normalize("NFKC", text).casefold()).translate(_LETTERS)


def _count(pattern: re.Pattern[str] | None, text: str) -> int:
    return 0 if pattern is None else min(sum(1 for _ in pattern.finditer(text)), MOST)


def _problem(entry: str) -> str | None:
    """Return what is wrong with the notation of an entry, or None."""
    if not re.search(r"\w", entry):
        return "the entry contains no word"
    if re.search(r"(?<!\))\?", entry):
        return "`?` does not follow a closing bracket"
    try:
        re.compile(_expression(entry, True))
    except re.error as error:
        return str(error)
    return None


def _expression(entry: str, whole_words: bool) -> str:
    """Translate an entry into a regular expression."""
    parts = []
    for token in re.findall(r" \.\.\. |[*()|?]|\s+|[^*()|?\s]+", normalize(entry)):
        if token == " ... ":
            parts.append(r"\W+(?:\w+\W+){0,3}?" if whole_words else ".{0,8}?")
        elif token.isspace():
            parts.append(r"\s+" if whole_words else r"\s*")
        else:
            parts.append({"*": r"\w*", "(": "(?:"}.get(token) or (token if token in "()|?" else re.escape(token)))
    return "".join(parts)
