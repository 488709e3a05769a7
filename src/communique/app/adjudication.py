"""Compare the coders of a project, and decide about the sentences on which they differ.

A decision is a coding of the coder `adjudication`, as a filled-in sheet of `communique agree` contains it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from typing import Any

from ..annotation.agreement_report import AgreementReport
from ..annotation.matching import Codings, Labels, final_acts
from ..annotation.tasks import ADJUDICATION
from ..data.acts import Act, read_acts, written_acts
from ..data.codebook import Codebook
from ..data.sentence import acts_in
from ..errors import NotFoundError
from ..metrics.bootstrap import RESAMPLES
from ..project import Coding, Project
from ..project.coding import SentenceKey, latest, now
from ..project.rows import given_id
from ..sampling.design import Design
from ..sampling.population import display_sha256
from .coding import ALL, Desk, check_acts, check_comment, check_labels


@dataclass(frozen=True)
class Difference:
    """A sentence on which coders differ: on its labels, or on kind, holder and target of these.

    Attributes:
        key: What identifies it.
        text: Its text.
        document: Its document.
        language: Its language.
        previous: The previous sentence, if the coding recorded it.
        given: The labels by coder.
        comments: The comments by coder.
        decision: The labels of the adjudicator, or None if nobody has decided.
        acts: Kind, holder and target of labels, by coder.
        agreed: The labels, if coders differ only in kind, holder or target; otherwise None.
        is_open: Whether nobody has decided.
    """

    key: SentenceKey
    text: str
    document: str
    language: str
    previous: str
    given: Mapping[str, Labels]
    comments: Mapping[str, str]
    decision: Labels | None
    acts: Mapping[str, Mapping[str, Act]]
    agreed: Labels | None
    is_open: bool

    def proposed_acts(self, codebook: Codebook) -> dict[str, Act]:
        """Return the acts of the decision or, before it, those on which the coders agree, whatever their labels are."""
        return final_acts(codebook.names, self.acts)[0]


@dataclass(frozen=True)
class Comparison:
    """The codings of a sample, or of the whole project, as they are compared.

    Attributes:
        sample: Name of the sample, or `ALL`.
        codings: The codings.
        codebook: The codebook in whose terms they are.
        design: The design of the sample, or None.
        differences: The sentences on which coders differ, in the order of the sample.
    """

    sample: str
    codings: Codings
    codebook: Codebook
    design: Design | None
    differences: tuple[Difference, ...]

    @property
    def open(self) -> list[Difference]:
        """The differences that nobody has decided."""
        return [one for one in self.differences if one.is_open]

    @property
    def open_labels(self) -> int:
        """Number of sentences on whose labels nobody has decided. Gold cannot be written without them."""
        return sum(one.is_open and one.agreed is None and one.decision is None for one in self.differences)

    @property
    def only_acts(self) -> int:
        """Number of sentences on which coders differ only in kind, holder or target."""
        return sum(one.agreed is not None for one in self.differences)

    def find(self, key: SentenceKey) -> Difference:
        """Return a difference.

        Raises:
            NotFoundError: Coders do not differ on this sentence.
        """
        found = next((one for one in self.differences if one.key == key), None)
        if found is None:
            raise NotFoundError("Coders no longer differ on this sentence. Open the page Agreement again")
        return found

    def following(self, key: SentenceKey | None) -> Difference | None:
        """Return the next open difference after a sentence or, after the last one, the first. Return None if there is none."""
        keys = [one.key for one in self.differences]
        start = keys.index(key) + 1 if key in keys else 0
        order = [*self.differences[start:], *self.differences[:start]]
        return next((one for one in order if one.is_open), None)


def compare(desk: Desk, sample: str) -> Comparison:
    """Compare the coders of a sample, or of the whole project.

    Raises:
        NotFoundError: There is no such sample.
        DataError: Nothing is coded yet.
    """
    desk.design(sample)
    return _compare(desk.project, sample, desk.project.state())


def measure(desk: Desk, sample: str) -> AgreementReport:
    """Measure the agreement of the coders of a sample, or of the whole project. The errors are those of `compare`."""
    desk.design(sample)
    return _measure(desk.project, sample, desk.project.state())


def decide(
    desk: Desk,
    sample: str,
    key: SentenceKey,
    labels: Sequence[str],
    *,
    none: bool,
    comment: str,
    acts: Mapping[str, Any] | None = None,
) -> Coding:
    """Record the labels that an adjudicator chose. When this function returns, the decision is on disk.

    Args:
        desk: The desk.
        sample: Name of the sample, or `ALL`.
        key: What identifies the sentence.
        labels: The labels.
        none: Whether it was chosen that no label applies.
        comment: The reason.
        acts: Kind, holder and target by label, as tables contain them; None if the adjudicator was not asked.

    Raises:
        DataError: The labels are not an answer.
        NotFoundError: Coders do not differ on this sentence, or there is no such sample.
    """
    compared = compare(desk, sample)
    text_of = compared.find(key).text
    chosen, text = check_labels(compared.codebook, labels, none=none), check_comment(comment)
    made = [coding for coding in desk.project.coded().read.codings if coding.sentence == key]
    last = latest(made).get((ADJUDICATION, key))
    given = check_acts(compared.codebook, acts, text_of, chosen)
    # The text of the latest coding can have other white space than the one that the adjudicator saw.
    placed = given and written_acts(acts_in(made[-1].text, read_acts(given, text_of, chosen, None), text_of))
    # The codings of another copy of the project can have a later time. The decision must still be the latest.
    time = now() if last is None else max(now(), last.time + timedelta(microseconds=1))
    decision = made[-1].model_copy(
        update={
            "labels": chosen,
            "coder": ADJUDICATION,
            "time": time,
            "codebook": compared.codebook.title,
            "codebook_sha256": compared.codebook.sha256,
            "sample": None if sample == ALL else sample,
            "model_shown": compared.design is not None and compared.design.model_shown,
            "comment": text,
            "origin": "",
            "origin_sha256": "",
            "acts": placed,
        }
    )
    if last is not None and (last.content, last.codebook_sha256) == (decision.content, decision.codebook_sha256):
        return last
    desk.record(decision, compared.codebook)
    return decision


@lru_cache(maxsize=8)
def _compare(project: Project, sample: str, state: object) -> Comparison:
    """Compare the coders. `state` stands for the content of the files, so that they are compared again only if they changed."""
    name = None if sample == ALL else sample
    design = None if name is None else project.designs()[name]
    codings = project.codings(name)
    codebook = project.codebook if design is None else design.codebook
    return Comparison(sample, codings, codebook, design, tuple(_differences(codings)))


@lru_cache(maxsize=8)
def _measure(project: Project, sample: str, state: object) -> AgreementReport:
    compared = _compare(project, sample, state)
    return AgreementReport.compare(compared.codings, compared.codebook, design=compared.design, resamples=RESAMPLES)


def _differences(codings: Codings) -> list[Difference]:
    found = []
    labels, acts = set(codings.differing()), set(codings.differing_acts())
    undecided = {*codings.disagreements(), *codings.open_acts()}
    for id in codings.units:
        if id not in labels | acts:
            continue
        unit = codings.units[id]
        digest = display_sha256(unit.text)
        found.append(
            Difference(
                key=(given_id(id, digest), digest),
                text=unit.text,
                document=unit.document,
                language=unit.language,
                previous=unit.previous,
                given=codings.by_coder(id),
                comments=codings.comments.get(id, {}),
                decision=codings.adjudicated.get(id),
                acts=codings.acts.get(id, {}),
                agreed=next(iter(codings.by_coder(id).values())) if id in acts else None,
                is_open=id in undecided,
            )
        )
    return found
