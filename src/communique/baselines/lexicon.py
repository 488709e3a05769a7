"""A keyword lexicon: the words of a list, counted. No model, and what many teams use today.

The list of the sentence's language is used; where the language is unknown or has none, all are, and the one with the most
hits counts. Nothing is learned but how often a label is right at no hit, one hit, and two or more.
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
from .base import Arrays, Storable, gold

#: The lexicon that comes with the package.
DEFAULT = Path(__file__).with_name("lexicon.yaml")

#: Hits are counted up to here: sentences with more are few.
MOST = 2

#: Weight, in sentences, of a label's prevalence in the shares by number of hits, so that a rare count is no certainty.
WEIGHT = 2.0

# Arabic vowel signs and the lengthening stroke, which writers add at will; then the forms of alif that they mix up.
_MARKS = re.compile("[\u064b-\u0652\u0670\u0640]")
_LETTERS = str.maketrans({"أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "’": "'", "ʼ": "'", "‘": "'"})


class LanguageLists(BaseModel):
    """The lists of one language. Where `whole_words` is false, entries are found inside a run of characters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: dict[str, tuple[str, ...]]
    whole_words: bool = True
    proclitics: tuple[str, ...] = Field((), description="may be written together with the word that follows")

    @field_validator("labels")
    @classmethod
    def _readable(cls, labels: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for label, entries in labels.items():
            for entry in entries:
                if problem := _problem(entry):
                    raise ValueError(f"{label}: {entry!r}: {problem}; write words, `*`, `(a|b)`, `(a)?` and ` ... `")
        return labels

    def compile(self, label: str) -> re.Pattern[str] | None:
        """Make one pattern of a label's list; None where it is empty."""
        entries = [_expression(entry, self.whole_words) for entry in self.labels[label]]
        if not entries:
            return None
        either = "|".join(entries)
        if not self.whole_words:
            return re.compile(either)
        before = f"(?:{'|'.join(sorted(map(re.escape, map(normalize, self.proclitics)), key=len, reverse=True))})?"
        return re.compile(rf"(?<!\w){before if self.proclitics else ''}(?:{either})(?!\w)")


class Lexicon(BaseModel):
    """Lists of words by language (BCP 47 code without a region) and label."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    languages: dict[str, LanguageLists] = Field(min_length=1)

    @classmethod
    def load(cls, path: str | Path) -> Lexicon:
        """Read a lexicon.

        Raises:
            RecipeError: The file is missing, is not YAML, or breaks the notation.
        """
        return load_yaml(Path(path), cls, RecipeError, "a lexicon is a YAML file as docs/guides/baselines.md shows")

    def missing(self, codebook: Codebook) -> str | None:
        """Name a language and label of the codebook that have no list."""
        for language, lists in self.languages.items():
            for name in codebook.names:
                if name not in lists.labels:
                    return f"{language}: {name!r}"
        return None


class LexiconClassifier(Storable):
    """A keyword lexicon with probabilities by number of hits.

    Args:
        codebook: Labels.
        seed: Not used; nothing is random.
        file: A lexicon; the package's own where None, which has the labels of its codebook alone.

    After `fit`: `lexicon_`; `shares_` (k, 3), the share of sentences with a label at no hit, one hit and two or more.
    """

    name = "lexicon"
    files = ("file",)

    def __init__(self, codebook: Codebook, *, seed: int = 0, file: str | Path | None = None) -> None:
        super().__init__(codebook, seed=seed)
        self.file = file

    def fit(self, corpus: Corpus) -> Self:
        """Count how often a label is right by number of hits; pooled over languages, smoothed by its prevalence.

        Raises:
            RecipeError: The lexicon has no list for a label.
        """
        lexicon = Lexicon.load(self.file or DEFAULT)
        if missing := lexicon.missing(self.codebook):
            remedy = "add it, empty where there are no words" if self.file else "give a lexicon of your own with file"
            raise RecipeError(f"{self.file or DEFAULT.name}: no list for {missing} of {self.codebook.name}; {remedy}")
        self._use(lexicon)
        labels, hits = gold(corpus, self.codebook), self.count(corpus.sentences)
        prevalence = labels.mean(axis=0)
        at = [(hits == number) for number in range(MOST + 1)]
        right = np.stack([(labels & there).sum(axis=0) + WEIGHT * prevalence for there in at], axis=1)
        self.shares_ = (right / np.stack([there.sum(axis=0) + WEIGHT for there in at], axis=1)).astype(np.float32)
        self.notes_ = ()
        unknown = len({_primary(s.language) for s in corpus} - set(lexicon.languages))
        if unknown:
            self.notes_ = (f"{unknown} languages of the training sentences have no list; all lists are used for them",)
        return self

    def count(self, sentences: Sequence[Sentence]) -> NDArray[np.int64]:
        """Count hits (n, k) of each label's list, up to 2."""
        rows = [self._hits(normalize(s.model_text), _primary(s.language)) for s in sentences]
        return np.array(rows, np.int64).reshape(len(rows), len(self.codebook.names))

    def predict_proba(self, sentences: Sequence[Sentence]) -> NDArray[np.float32]:
        """Give the shares (n, k) that belong to the numbers of hits; where one label applies, they sum to 1."""
        p = self.shares_[np.arange(len(self.codebook.names)), self.count(sentences)]
        return p if self.codebook.multilabel else np.asarray(p / p.sum(axis=1, keepdims=True), np.float32)

    def state(self) -> tuple[dict[str, Any], Arrays]:
        """Give the lists and the shares."""
        return {"lexicon": self.lexicon_.model_dump(mode="json"), "notes": list(self.notes_)}, {"shares": self.shares_}

    def restore(self, content: Mapping[str, Any], arrays: Arrays) -> Self:
        """Take the lists and the shares."""
        try:
            self._use(Lexicon.model_validate(content["lexicon"]))
        except ValidationError as error:
            raise ValueError("the lexicon in it is broken") from error
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
    """Write a text as entries are compared: NFKC, case folded, without Arabic vowel signs, one form of alif and apostrophe."""
    return _MARKS.sub("", unicodedata.normalize("NFKC", text).casefold()).translate(_LETTERS)


def _count(pattern: re.Pattern[str] | None, text: str) -> int:
    return 0 if pattern is None else min(sum(1 for _ in pattern.finditer(text)), MOST)


def _primary(language: str) -> str:
    """Take a BCP 47 code's language: pt of pt-BR."""
    return language.split("-")[0].lower()


def _problem(entry: str) -> str | None:
    """Say what is wrong with an entry's notation."""
    if not re.search(r"\w", entry):
        return "no word in it"
    if re.search(r"(?<!\))\?", entry):
        return "`?` without a bracket before it"
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
