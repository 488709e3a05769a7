"""Show what the model assigned in a corpus: over time, by group, and in each document."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple
from unicodedata import east_asian_width
from urllib.parse import urlencode

from fastapi import APIRouter, Query, Request, Response

from ...errors import DataError
from ..choices import choices
from ..context import ProjectArg
from ..corpus import DOCUMENTS_PER_PAGE, FEW, Corpus, Group, find_grouping, find_newest
from ..sources import open_table
from ..templating import respond
from . import label

TITLE, PATH = "Corpus", "/corpus"
router = APIRouter(prefix=PATH)

#: Size of a figure in the units of its coordinates, and the space below it for the names of groups.
WIDTH, HEIGHT, BELOW = 320, 110, 16

Short = Annotated[str, Query(max_length=1000)]
Number = Annotated[int, Query(ge=1, le=10**9)]


class Bar(NamedTuple):
    """A bar of a figure, with the position of its top left corner."""

    x: float
    y: float
    width: float
    height: float
    title: str


class Figure(NamedTuple):
    """The proportions of one label in all groups.

    Attributes:
        top: The proportion at the upper edge.
        bars: One bar per group.
        names: Names below the bars with their position and anchor: those of all groups, or only the first and the last one if
            there is no room for all.
    """

    top: float
    bars: tuple[Bar, ...]
    names: tuple[tuple[float, str, str], ...]


@router.get("")
def page(
    request: Request, opened: ProjectArg, table: Short = "", by: Short = "", q: Short = "", page: Number = 1
) -> Response:
    """Show a labelled table. Default: the newest one, over time if it has times."""
    paths = opened.tables.paths()
    if not paths:
        return respond(request, "corpus_empty.html")
    source, names = find_newest(opened, table, paths), list(reversed(paths))
    try:
        corpus = Corpus(open_table(opened, source))
    except DataError as error:
        # The page can still lead to another table.
        shown = {"name": source.name, "names": names, "groupings": (), "problems": error.lines}
        return respond(request, "corpus.html", status=400, **shown)
    grouping = find_grouping(corpus, by) if by else next(iter(corpus.groupings), None)
    groups = [] if grouping is None else corpus.groups(grouping)
    styles = {choice.label.name: choice for choice in choices(source.codebook)}
    found = corpus.documents(q.strip())
    pages = max(1, -(-len(found) // DOCUMENTS_PER_PAGE))
    page = min(page, pages)
    start = (page - 1) * DOCUMENTS_PER_PAGE
    return respond(
        request,
        "corpus.html",
        name=source.name,
        names=names,
        problems=(),
        corpus=corpus,
        table=corpus.table,
        styles=[styles[label] for label in corpus.table.names],
        groupings=corpus.groupings,
        grouping=grouping,
        groups=groups,
        figures=[_figure(groups, i) for i in range(len(corpus.table.names))] if groups else [],
        few=FEW,
        size=(WIDTH, HEIGHT, BELOW),
        strips=corpus.strips(found[start : start + DOCUMENTS_PER_PAGE].tolist()),
        found=len(found),
        words=q.strip(),
        page=page,
        pages=[(n, _address(source.name, by, q, n)) for n in label.near(page, pages)],
        reader=source.address,
    )


def _figure(groups: list[Group], label: int) -> Figure:
    """Return a figure whose upper edge is the smallest of a few round numbers that no bar exceeds."""
    values = [group.proportion(label) or 0.0 for group in groups]
    top = next(edge for edge in (0.05, 0.1, 0.25, 0.5, 1.0) if edge >= max(values))
    step = WIDTH / len(groups)
    bars = []
    for i, (group, value) in enumerate(zip(groups, values, strict=True)):
        height = round(HEIGHT * value / top, 1)
        title = f"{group.name}: {value:.1%} of {group.n:,}"
        bars.append(Bar(round(i * step, 1), round(HEIGHT - height, 1), round(max(step - 2, 1), 1), height, title))
    if all(_width(group.name) <= step - 4 for group in groups):
        names = [(round((i + 0.5) * step - 1, 1), "middle", group.name) for i, group in enumerate(groups)]
    else:
        names = [(0.0, "start", groups[0].name[:20]), (float(WIDTH), "end", groups[-1].name[:20])]
    return Figure(top, tuple(bars), tuple(names))


def _width(name: str) -> int:
    """Return about how wide a name is in a figure. East Asian characters are about as wide as two others."""
    return sum(13 if east_asian_width(character) in "WF" else 8 for character in name)


def _address(table: str, by: str, words: str, page: int) -> str:
    values: dict[str, Any] = {"table": table, "by": by, "q": words, "page": page}
    return f"{PATH}?{urlencode({key: value for key, value in values.items() if value})}#documents"
