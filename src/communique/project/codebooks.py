"""Report codings that were made with another content of the codebook, list its versions, and replace it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from ..data.codebook import Codebook
from ..data.codebook_changes import codebook_changes, describe_changes, translate
from ..errors import ChangedError, CodebookError
from ..reporting.format import counted
from .coding import Coding, latest
from .layout import CODEBOOKS
from .project import DIGITS, Project


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


@dataclass(frozen=True)
class Version:
    """A version of the codebook that the project keeps.

    Attributes:
        codebook: Its content.
        since: When it was first kept.
        codings: Number of latest codings that were made with it.
        changes: The changes since the version before, in words.
        current: Whether it is the codebook in use.
    """

    codebook: Codebook
    since: datetime
    codings: int
    changes: tuple[str, ...]
    current: bool


def codebook_versions(project: Project, codings: Sequence[Coding]) -> tuple[Version, ...]:
    """Return the versions of the codebook, from the newest to the oldest. The codebook in use comes first.

    Args:
        project: The project.
        codings: Codings in order of time.
    """
    current = project.codebook
    counts: dict[str, int] = {}
    for coding in latest(codings).values():
        counts[coding.codebook_sha256] = counts.get(coding.codebook_sha256, 0) + 1
    # The times of files change when a project is copied. A coding shows that its codebook was there before.
    first: dict[str, datetime] = {}
    for coding in codings:
        first.setdefault(coding.codebook_sha256, coding.time)
    kept: dict[str, tuple[datetime, Codebook]] = {}
    for path in [*(project.folder / CODEBOOKS).glob(f"{'?' * DIGITS}.yaml"), project.codebook_path]:
        try:
            codebook = Codebook.load(path)
        except CodebookError:
            continue
        time = datetime.fromtimestamp(path.stat().st_mtime, UTC)
        known = [time, first.get(codebook.sha256, time)]
        if codebook.sha256 in kept:
            known.append(kept[codebook.sha256][0])
        kept[codebook.sha256] = min(known), codebook
    order = sorted(kept.values(), key=lambda one: (one[1].sha256 == current.sha256, one[0]))
    found = []
    for number, (since, codebook) in enumerate(order):
        changes = codebook_changes(order[number - 1][1], codebook) if number else ()
        found.append(
            Version(
                codebook,
                since.astimezone(UTC),
                counts.get(codebook.sha256, 0),
                tuple(change.text for change in changes),
                codebook.sha256 == current.sha256,
            )
        )
    return tuple(reversed(found))


def require_unchanged(current: Codebook, expected: str) -> None:
    """Check that the codebook in use is the one from which a change was made.

    Args:
        current: The codebook in use.
        expected: SHA-256 of the codebook from which the change was made.

    Raises:
        ChangedError: It is another one.
    """
    if current.sha256 != expected:
        raise ChangedError(
            "The codebook was changed since this form was opened, in another tab or in an editor, so nothing was saved. Copy "
            "what you typed, open the page again, and repeat your change"
        )


def replace_codebook(project: Project, codebook: Codebook, *, expected: str) -> None:
    """Replace the codebook in use. The project keeps the old version.

    Args:
        project: The project.
        codebook: The new codebook.
        expected: SHA-256 of the codebook in use from which the new one was made.

    Raises:
        ChangedError: The codebook in use is another one.
    """
    with project.log.locked():
        current = project.codebook
        require_unchanged(current, expected)
        project.keep_codebook(current)
        codebook.dump(project.codebook_path)
        project.keep_codebook(codebook)


def changed_codebooks(
    project: Project, codings: Sequence[Coding], *, to: Codebook | None = None
) -> tuple[OtherCodebook, ...]:
    """Return the other contents of the codebook with which codings were made, with the changes since then in words.

    Args:
        project: The project.
        codings: Codings in order of time. Only the latest of each sentence and coder counts.
        to: The codebook with which the others are compared. Default: the codebook in use.
    """
    current = project.codebook if to is None else to
    present = current.sha256  # computed from the whole content, so not for each coding
    groups: dict[str, list[Coding]] = {}
    for coding in latest(codings).values():
        if coding.codebook_sha256 != present:
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
