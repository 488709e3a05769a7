"""Count the labels of the model in the labelled tables of a project."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from ...labelling.summary import Summary
from ..context import ProjectArg
from ..corpus import Corpus, Group, find_grouping, find_newest
from ..problems import refusals
from ..sources import open_table

router = APIRouter(tags=["corpus"])

Name = Annotated[str, Query(max_length=1000)]


class LabelCount(BaseModel):
    """Number of sentences that the model assigned a label, and their proportion. It is null without sentences."""

    label: str
    count: int
    proportion: float | None


class GroupAnswer(BaseModel):
    """The labelled sentences of a group."""

    name: str
    sentences: int
    labels: list[LabelCount]


class CorpusAnswer(BaseModel):
    """What the model assigned in a labelled table."""

    table: str
    by: str | None
    allowed: list[str] = Field(description="values of `by` for this table")
    corrected: bool = Field(False, description="always false: the proportions include the errors of the model")
    caution: str
    total: GroupAnswer
    groups: list[GroupAnswer]


@router.get("/tables")
def tables(opened: ProjectArg) -> list[str]:
    """List the labelled tables, from the newest to the oldest."""
    return list(reversed(opened.tables.paths()))


@router.get("/corpus", responses=refusals(400, 404, 422))
def proportions(opened: ProjectArg, table: Name = "", by: Name = "") -> CorpusAnswer:
    """Return the proportions of the labels, in the whole table and by group. Default: the newest table, without groups.

    They are not corrected for the errors of the model. To estimate proportions, code a sample and run `communique estimate`.
    """
    source = find_newest(opened, table, opened.tables.paths())
    corpus = Corpus(open_table(opened, source))
    names = corpus.table.names

    def answer(group: Group) -> GroupAnswer:
        labels = [
            LabelCount(label=label, count=group.counts[i], proportion=group.proportion(i))
            for i, label in enumerate(names)
        ]
        return GroupAnswer(name=group.name, sentences=group.n, labels=labels)

    grouping = find_grouping(corpus, by) if by else None
    return CorpusAnswer(
        table=source.name,
        by=by or None,
        allowed=[one.name for one in corpus.groupings],
        caution=Summary.caution,
        total=answer(corpus.total),
        groups=[] if grouping is None else [answer(group) for group in corpus.groups(grouping)],
    )
