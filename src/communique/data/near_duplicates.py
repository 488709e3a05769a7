"""Near-duplicates: MinHash signatures of texts that travel in a model's folder, and the look-up of new texts among them.

A text is the set of its runs of `NGRAM` characters after NFKC, case folding and the removal of everything but letters and
digits, so that scripts without spaces work too. A signature keeps 8 bits of each of 128 MinHash values (Li, König 2010,
"b-Bit Minwise Hashing"): 128 bytes a text, from which the text cannot be read. Needs the extra `analysis`.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError, MissingExtraError
from ..io.atomic import replacing

#: Characters of a run. Three tell Chinese sentences apart; in alphabets unrelated sentences share about a tenth of them.
NGRAM = 3

#: Values of a signature; the standard error of a Jaccard index of 0.7 is 0.04.
PERMUTATIONS = 128

#: Texts whose Jaccard index is estimated to be at least so much are near-duplicates. Among the 1,465 sentences of
#: data/authored no two different ones of different documents have more than 0.42; with a word (in Chinese a
#: character) exchanged 9 in 10 keep 0.73.
THRESHOLD = 0.7

Signatures = NDArray[np.uint8]

#: MinHash values of this text are kept in the file: other ones mean that signatures cannot be compared.
_PROBE = "The signatures of this sentence 和 этого предложения must be the same wherever they are made."


def available() -> bool:
    """Say whether the package that makes signatures is installed."""
    return importlib.util.find_spec("datasketch") is not None


def signatures(texts: Iterable[str]) -> Signatures:
    """Sign texts.

    Returns:
        (n, 128). Texts without a letter or digit get zeros, which match nothing.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    rows = [
        hashes.astype(np.uint32) >> 12 & 0xFF if any_ else np.zeros(PERMUTATIONS) for hashes, any_ in _hashes(texts)
    ]
    return np.array(rows, np.uint8).reshape(len(rows), PERMUTATIONS)


def _hashes(texts: Iterable[str]) -> Iterator[tuple[NDArray[np.integer[Any]], bool]]:
    if not available():
        raise MissingExtraError("datasketch", "analysis", "signing texts against near-duplicates")
    from datasketch import MinHash

    # The scheme is named because another version's default would give other values. Bits 12 to 19 are kept: lower bits
    # of an affine hash depend on few bits of its input, and the upper ones of a minimum are zeros.
    grams = [[gram.encode() for gram in sorted(_grams(text))] for text in texts]
    hashed = MinHash.generator(grams, num_perm=PERMUTATIONS, seed=1, scheme="affine32")
    for minhash, members in zip(hashed, grams, strict=True):
        yield minhash.hashvalues, bool(members)


def _grams(text: str) -> set[str]:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(c for c in folded if c.isalnum() or unicodedata.category(c)[0] == "M")
    return {plain[i : i + NGRAM] for i in range(max(1, len(plain) - NGRAM + 1))} - {""}


def save(path: str | Path, texts: Iterable[str]) -> None:
    """Write the signatures of different texts as .npz, without pickle.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    signed = signatures(dict.fromkeys(texts))
    with replacing(path, "wb") as handle:
        np.savez(handle, signatures=signed, probe=signatures([_PROBE]))


def load(path: str | Path) -> Signatures:
    """Read signatures (n, 128) that `save` wrote.

    Raises:
        BundleError: The file is broken, or its signatures are not comparable with those made here.
        MissingExtraError: datasketch is not installed.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            signed, probe = content["signatures"], content["probe"]
    except (OSError, EOFError, TypeError, ValueError, KeyError, BadZipFile) as error:
        raise BundleError(
            f"{path}: no signatures of near-duplicates ({error}); copy the model's folder again"
        ) from error
    if signed.ndim != 2 or signed.dtype != np.uint8 or not np.array_equal(probe, signatures([_PROBE])):
        raise BundleError(
            f"{path}: signatures made by another version, which cannot be compared; export the model again, or delete the "
            "file and its line in bundle.json: near-duplicates are then not looked for"
        )
    found: Signatures = signed
    return found


@dataclass(frozen=True)
class Match:
    """A text that resembles a known one: its position, the position of the most like one, their estimated Jaccard index."""

    position: int
    known: int
    similarity: float


def find(known: Signatures, texts: Sequence[str], *, threshold: float = THRESHOLD) -> list[Match]:
    """Find texts that nearly equal one of the known ones.

    Candidates come from locality-sensitive hashing, and are then compared by all values, so that a hundred thousand known
    texts take seconds.

    Args:
        known: Signatures (m, 128).
        texts: n texts.
        threshold: Of the estimated Jaccard index.

    Returns:
        Matches in the order of the texts, at most one a text.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    return find_signed(known, signatures(texts), threshold=threshold)


def find_signed(known: Signatures, given: Signatures, *, threshold: float = THRESHOLD) -> list[Match]:
    """Do as `find` with texts that are signed already, (n, 128)."""
    from datasketch import MinHash, MinHashLSH

    # Weighted towards few misses: false candidates cost one comparison each.
    lookup = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS, weights=(0.1, 0.9))
    blank = MinHash(num_perm=PERMUTATIONS, seed=1, scheme="affine32")

    def minhash(row: Signatures) -> Any:
        copied = blank.copy()
        copied.hashvalues = row.astype(blank.hashvalues.dtype)
        return copied

    with lookup.insertion_session() as session:
        for position in np.flatnonzero(known.any(axis=1)):
            session.insert(int(position), minhash(known[position]))
    matches = []
    for position in np.flatnonzero(given.any(axis=1)):
        candidates = np.array(sorted(lookup.query(minhash(given[position]))), np.int64)
        if not len(candidates):
            continue
        equal = (known[candidates] == given[position]).mean(axis=1)
        # Of 8 bits 1 in 256 is equal by chance.
        similarity = (equal - 1 / 256) / (1 - 1 / 256)
        best = int(similarity.argmax())
        if similarity[best] >= threshold:
            matches.append(Match(int(position), int(candidates[best]), float(similarity[best])))
    return matches
