"""Find ids that occur twice, in bounded memory."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

#: Largest number of ids that are remembered, with 12 bytes each.
MAX_IDS = 5_000_000

#: Number of ids after which the dict, which takes ten times the memory, is merged into the sorted arrays.
_RECENT = 1 << 16


class SeenIds:
    """Ids with their owners, such as the numbers of their files. Ids are stored as hashes of 64 bits."""

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._hashes = np.empty(0, np.uint64)
        self._owners = np.empty(0, np.uint32)

    @property
    def full(self) -> bool:
        """Whether no more ids are remembered."""
        return len(self._hashes) + len(self._recent) >= MAX_IDS

    def add(self, identity: str, owner: int) -> int | None:
        """Remember an id, and return its previous owner; None if it is new."""
        key = int.from_bytes(blake2b(identity.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        before = self._recent.get(key)
        if before is None and len(self._hashes):
            place = int(np.searchsorted(self._hashes, np.uint64(key)))
            if place < len(self._hashes) and self._hashes[place] == key:
                before = int(self._owners[place])
        if before is None and not self.full:
            self._recent[key] = owner
            if len(self._recent) >= _RECENT:
                self._merge()
        return before

    def _merge(self) -> None:
        keys = np.array(sorted(self._recent), np.uint64)
        owners = np.array([self._recent[int(key)] for key in keys], np.uint32)
        places = np.searchsorted(self._hashes, keys)
        self._hashes = np.insert(self._hashes, places, keys)
        self._owners = np.insert(self._owners, places, owners)
        self._recent.clear()
