"""Find ids that occur twice, in memory that does not grow with the input."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

#: Ids that are kept: 12 bytes each.
MAX_IDS = 5_000_000

#: Ids that are kept in a dict, which takes ten times the memory, before they are merged into the sorted array.
_RECENT = 1 << 16


class SeenIds:
    """Ids with their owners, such as the numbers of their files. An id is kept as a hash of 64 bits."""

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._hashes = np.empty(0, np.uint64)
        self._owners = np.empty(0, np.uint32)

    @property
    def full(self) -> bool:
        """Whether no further id is kept."""
        return len(self._hashes) + len(self._recent) >= MAX_IDS

    def add(self, identity: str, owner: int) -> int | None:
        """Keep an id, and return the owner that had it before; None if there is none."""
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
