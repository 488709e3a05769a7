"""Find repeated ids in bounded memory."""

from __future__ import annotations

from hashlib import blake2b

import numpy as np

#: Largest number of ids that are remembered. Each takes 12 bytes.
MAX_IDS = 5_000_000

#: Number of ids after which the dict is merged into the sorted arrays. The dict takes ten times as much memory per id.
_RECENT = 1 << 16


class SeenIds:
    """Ids that were seen, each with an owner, such as the number of its file. Ids are stored as 64-bit hashes."""

    def __init__(self) -> None:
        self._recent: dict[int, int] = {}
        self._hashes = np.empty(0, np.uint64)
        self._owners = np.empty(0, np.uint32)

    @property
    def full(self) -> bool:
        """Whether the limit is reached, so that no more ids are remembered."""
        return len(self._hashes) + len(self._recent) >= MAX_IDS

    def add(self, identity: str, owner: int) -> int | None:
        """Remember an id. Return its previous owner, or None if the id is new."""
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
