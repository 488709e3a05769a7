"""Report codings that were made with another content of the codebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ..data.codebook_changes import codebook_changes, describe_changes, translate
from ..reporting.format import counted
from .coding import Coding, latest
from .project import Project


@dataclass(frozen=True)
class OtherCodebook:
    """Codings that were made with another content of the codebook. `changes` describes the differences in words.

    `outdated` counts the codings that must be made again.
    """

    title: str
    sha256: str
    codings: int
    outdated: int
    changes: tuple[str, ...]

    def __str__(self) -> str:
        made = counted(self.codings, "coding was", "codings were")
        changes = "; ".join(self.changes)
        return f"{made} made with another codebook, {self.title} (SHA-256 {self.sha256[:12]}). Since then: {changes}"


def changed_codebooks(project: Project, codings: Sequence[Coding]) -> tuple[OtherCodebook, ...]:
    """Return the other contents of the codebook with which codings were made, with the changes since then in words.

    Args:
        project: The project.
        codings: Codings in order of time. Only the latest of each sentence and coder counts.
    """
    current = project.codebook
    groups: dict[str, list[Coding]] = {}
    for coding in latest(codings).values():
        if coding.codebook_sha256 != current.sha256:
            groups.setdefault(coding.codebook_sha256, []).append(coding)
    found = []
    for sha256, made in groups.items():
        old, labels = project.used_codebook(sha256), [coding.labels for coding in made]
        if old is None:
            lines = ["this version of the codebook is not in the project, so the changes are not known"]
        else:
            lines = describe_changes(codebook_changes(old, current), labels)
        outdated = sum(translate(given, old, current) is None for given in labels)
        found.append(OtherCodebook(made[0].codebook, sha256, len(made), outdated, tuple(lines)))
    return tuple(found)
