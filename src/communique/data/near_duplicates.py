"""Find near-duplicates with MinHash signatures, which are stored in the folder of a model and compared with new texts.

A text is represented by its set of character n-grams of length `NGRAM`, after NFKC, case folding and the removal of
everything except letters and digits. This also works for scripts without spaces. A signature keeps 8 bits of each of 128
MinHash values (Li, König 2010, "b-Bit Minwise Hashing"). It needs 128 bytes per text, and the text cannot be reconstructed
from it. Requires the extra `analysis`.
"""

from __future__ import annotations

import importlib.util
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import BundleError, MissingExtraError
from ..io.atomic import replacing

#: Length of the n-grams. Three characters distinguish Chinese sentences. In alphabetic scripts, unrelated sentences have about a
#: tenth of their trigrams in common.
NGRAM = 3

#: Number of MinHash values per signature. With 128 values, the standard error of a Jaccard index of 0.7 is 0.04.
PERMUTATIONS = 128

#: Two texts are near-duplicates if their estimated Jaccard index is at least this large. Among 1,465 sentences of
#: data/authored, no two different sentences from different documents exceed 0.42. After one word is exchanged (in Chinese, one
#: character), 9 in 10 sentences still reach 0.73.
THRESHOLD = 0.7

Signatures = NDArray[np.uint8]

#: The file also contains the signature of this text. If it differs here, the signatures cannot be compared.
_PROBE = "The signatures of this sentence 和 этого предложения must be the same wherever they are made."


def available() -> bool:
    """Return whether the package that computes signatures is installed."""
    return importlib.util.find_spec("datasketch") is not None


def signatures(texts: Iterable[str]) -> Signatures:
    """Compute the signatures of n texts.

    Returns:
        Array (n, 128). Texts without letters and digits have zeros, which match nothing.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    rows = [
        hashes.astype(np.uint32) >> 12 & 0xFF if any_ else np.zeros(PERMUTATIONS) for hashes, any_ in _hashes(texts)
    ]
    return np.array(rows, np.uint8).reshape(len(rows), PERMUTATIONS)


def _hashes(texts: Iterable[str]) -> Iterator[tuple[NDArray[np.integer[Any]], bool]]:
    if not available():
        raise MissingExtraError("datasketch", "analysis", "computing signatures of texts to find near-duplicates")
    from datasketch import MinHash

    # The scheme is named because the default of another datasketch version would produce other values. `signatures` keeps bits 12
    # to 19: the lower bits of an affine hash depend on few bits of its input, and the upper bits of a minimum are zeros.
    grams = [[gram.encode() for gram in sorted(_grams(text))] for text in texts]
    hashed = MinHash.generator(grams, num_perm=PERMUTATIONS, seed=1, scheme="affine32")
    for minhash, members in zip(hashed, grams, strict=True):
        yield minhash.hashvalues, bool(members)


def _grams(text: str) -> set[str]:
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    plain = "".join(c for c in folded if c.isalnum() or unicodedata.category(c)[0] == "M")
    return {plain[i : i + NGRAM] for i in range(max(1, len(plain) - NGRAM + 1))} - {""}


def save(path: str | Path, texts: Iterable[str]) -> None:
    """Write the signatures of the distinct texts to an .npz file, without pickle.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    signed = signatures(dict.fromkeys(texts))
    with replacing(path, "wb") as handle:
        np.savez(handle, signatures=signed, probe=signatures([_PROBE]))


def load(path: str | Path) -> Signatures:
    """Read signatures (n, 128) from a file that `save` wrote.

    Raises:
        BundleError: The file is damaged, or its signatures cannot be compared with those that this version computes.
        MissingExtraError: datasketch is not installed.
    """
    try:
        with np.load(path, allow_pickle=False) as content:
            signed, probe = content["signatures"], content["probe"]
    except Exception as error:
        # Damaged archives raise errors of many types, such as zlib.error and tokenize.TokenError.
        raise BundleError(
            f"{path}: the signatures for finding near-duplicates cannot be read. Copy the model folder again"
        ) from error
    if signed.ndim != 2 or signed.dtype != np.uint8 or not np.array_equal(probe, signatures([_PROBE])):
        raise BundleError(
            f"{path}: another version computed these signatures, so they cannot be compared. Export the model again, or delete "
            "the file and its line in bundle.json to do without the search for near-duplicates"
        )
    found: Signatures = signed
    return found


@dataclass(frozen=True)
class Match:
    """A near-duplicate of a known text.

    Attributes:
        position: Position of the text.
        known: Position of the most similar known text.
        similarity: Estimated Jaccard index of the two.
    """

    position: int
    known: int
    similarity: float


def find(known: Signatures, texts: Sequence[str], *, threshold: float = THRESHOLD) -> list[Match]:
    """Find the texts that are near-duplicates of known texts.

    Locality-sensitive hashing finds candidates, which are then compared by their full signatures. A search among a hundred
    thousand known texts takes seconds.

    Args:
        known: Signatures (m, 128) of the known texts.
        texts: The n texts to look up.
        threshold: Minimum estimated Jaccard index of a near-duplicate.

    Returns:
        Matches in the order of the texts, at most one per text.

    Raises:
        MissingExtraError: datasketch is not installed.
    """
    return find_signed(known, signatures(texts), threshold=threshold)


def find_signed(known: Signatures, given: Signatures, *, threshold: float = THRESHOLD) -> list[Match]:
    """Find near-duplicates like `find`, for texts whose signatures (n, 128) are already computed."""
    from datasketch import MinHash, MinHashLSH

    # The weights favour few missed candidates, because a false candidate only costs one comparison.
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
        # Two values of 8 bits are equal by chance with probability 1/256.
        similarity = (equal - 1 / 256) / (1 - 1 / 256)
        best = int(similarity.argmax())
        if similarity[best] >= threshold:
            matches.append(Match(int(position), int(candidates[best]), float(similarity[best])))
    return matches
