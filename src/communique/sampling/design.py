"""Draw a sample and record its design: the inclusion probability of each drawn row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .. import __version__
from ..config import check_format, describe, load_json
from ..data.codebook import Codebook
from ..errors import DataError
from ..io.atomic import replacing
from .draws import MINIMUM, Draw, Ints, allocate, plan_two_stage, simple, stratified, two_stage
from .frame import Frame, LeftOut, MissingGroup, in_frame
from .population import Population, display_sha256
from .strata import Strata, allocation_weights, documents_of, make_strata
from .training import pick_for_training

#: Suffix of design files.
SUFFIX = ".design.json"

#: Version of the format of design files. It changes when their keys change.
FORMAT: Final = 2

#: Largest number of strata that are described one by one. The design file lists all of them.
LISTED_STRATA = 30

Sampling = Literal["simple", "stratified", "two-stage", "training"]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stratum(_Frozen):
    """A stratum: the numbers of its rows and documents in the population, and the number of drawn rows."""

    stratum: str
    population: int
    documents: int
    drawn: int


class Source(_Frozen):
    """A file of texts that were not labelled yet when the sample was drawn."""

    name: str
    sha256: str


class Member(_Frozen):
    """A row that was drawn.

    `display_sha256` is the hash of the text without control characters, or None if it equals `sha256`.
    """

    id: str
    sha256: str
    display_sha256: str | None = None
    document: str
    index: int
    language: str
    stratum: str
    inclusion_probability: float | None = Field(gt=0, le=1)
    labels: tuple[str, ...] = Field(description="labels predicted by the model")
    columns: dict[str, str] = Field({}, description="values of the columns that define groups")


class Design(_Frozen):
    """The design of a sample. Its rows are in the order of the population, not of the coding sheet."""

    format: Literal[2] = FORMAT
    version: str = __version__
    purpose: Literal["estimate", "training"]
    sampling: Sampling
    seed: int
    predictions: str | None
    predictions_sha256: str | None
    texts: tuple[Source, ...] = ()
    reading: tuple[str, ...] = Field((), description="options of `communique label` that give the texts the same ids")
    ids_sha256: str | None = Field(None, description="hash of the ids of the population, see `Population.ids_sha256`")
    population: int
    documents: int
    left_out: tuple[LeftOut, ...] = ()
    missing_group: MissingGroup = "refuse"
    allocation: str | None = None
    first_stage: Literal["size", "equal"] | None = None
    per_document: int | None = None
    by: tuple[str, ...] = ()
    model_shown: bool
    codebook: Codebook
    codebook_sha256: str
    strata: tuple[Stratum, ...]
    rows: tuple[Member, ...]

    def describe(self) -> list[str]:
        """Return a few lines that say what was drawn and what it may be used for."""
        documents = len({row.document for row in self.rows})
        lines = [f"{len(self.rows)} of {self.population} sentences, from {documents} of {self.documents} documents"]
        lines += [self._describe(part) for part in self.left_out]
        if self.purpose == "training":
            lines.append(
                "selected for training, with unknown inclusion probabilities: never use these rows as gold labels for "
                "`communique estimate`"
            )
            languages = Counter(row.language for row in self.rows)
            lines.append("languages: " + ", ".join(f"{language} {n}" for language, n in languages.most_common()))
            return lines
        probabilities = [row.inclusion_probability or 0.0 for row in self.rows]
        lines.append(
            f"design {self.sampling}, seed {self.seed}; inclusion probabilities {min(probabilities):.4g} to "
            f"{max(probabilities):.4g}"
        )
        if len(self.strata) > LISTED_STRATA:
            drawn = [s.drawn for s in self.strata]
            lines.append(f"{len(self.strata)} strata, with {min(drawn)} to {max(drawn)} sentences each")
        elif len(self.strata) > 1:
            lines += [f"stratum {s.stratum}: {s.drawn} of {s.population}" for s in self.strata]
        return lines

    def _describe(self, part: LeftOut) -> str:
        return f"{part}" if self.purpose == "training" else f"{part}. Estimates refer to the other sentences only"

    def frame(self, population: Population) -> Population:
        """Return the rows of the predictions that the sample represents.

        Args:
            population: The predictions, which may have been made after the sample was drawn.
        """
        return in_frame(population, self.left_out)

    def check_frame(self, rows: Population) -> list[str]:
        """Return a warning if the predictions are not those of the sentences that the sample was drawn from, or an empty list.

        Args:
            rows: The predictions as `frame` returned them.
        """
        if self.ids_sha256 in (None, rows.ids_sha256):
            return []
        what = "the same number of" if len(rows) == self.population else f"{len(rows)}"
        return [
            f"warning: {rows.path}: the sample was drawn from {self.population} sentences, but these predictions have {what} "
            "sentences with other ids. Label the input that the sample was drawn from, with the same options"
        ]

    def dump(self, path: str | Path) -> None:
        """Write the design as JSON. `load` reads the file back as an equal object."""
        with replacing(path) as handle:
            handle.write(self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Design:
        """Read a design file.

        Raises:
            DataError: The file is missing, is not JSON, has another format, or does not follow the schema.
        """
        path = Path(path)
        content = load_json(path, DataError, "Use the design file that `communique sample` wrote")
        remedy = "Run communique sample again with the same predictions, options and seed, which draws the same rows"
        check_format(path, content, FORMAT, DataError, remedy)
        try:
            return cls.model_validate(content)
        except ValidationError as error:
            raise DataError(
                f"{path}: {describe(error, cls)}. Use the file that `communique sample` wrote, unchanged"
            ) from error


def draw_sample(
    population: Population | Frame,
    n: int,
    codebook: Codebook,
    *,
    design: Literal["simple", "stratified", "two-stage"] | None = None,
    by: Sequence[str] = (),
    strata: Sequence[str] = (),
    allocation: str = "proportional",
    per_group: Mapping[str, int] | None = None,
    texts: Sequence[tuple[str, str]] = (),
    reading: Sequence[str] = (),
    per_document: int = 5,
    documents_by_size: bool = True,
    model_shown: bool = False,
    seed: int = 0,
) -> Design:
    """Draw rows with known inclusion probabilities.

    Args:
        population: The rows, or the frame of rows that can be drawn.
        n: Number of rows to draw. A two-stage design draws approximately this number. Ignored if `per_group` is set.
        codebook: The codebook of the labels.
        design: The sampling design. Default: `stratified` if `by` or `strata` is not empty, otherwise `simple`.
        by: Columns that define groups. Except in a simple design, each group is a stratum and is certain to have gold rows.
        strata: `predicted`, `uncertainty` or names of columns.
        allocation: Allocation of rows to strata (see `strata.allocation_weights`).
        per_group: Number of rows to draw from each group of `by`, by the group's name (see `strata.make_strata`). Strata within
            a group share its rows according to `allocation`.
        texts: Name and SHA-256 of the files, if the texts are not labelled yet.
        reading: Options with which `communique label` must read them, so that the sentences have the same ids.
        per_document: Number of rows per document in a two-stage design.
        documents_by_size: Whether a two-stage design draws documents with probability proportional to size, or with equal
            probability.
        model_shown: Whether the coders will see the labels of the model.
        seed: Seed of the random draw.

    Raises:
        DataError: The sample cannot be drawn, because n is too large or too small, a column does not exist, or a document
            belongs to two strata.
    """
    frame = population if isinstance(population, Frame) else Frame(population)
    population = frame.population
    sampling = design or ("stratified" if by or strata else "simple")
    if sampling == "simple" and strata:
        raise DataError(
            f"a simple design cannot use the strata {', '.join(strata)}. Use --design stratified, or omit --strata"
        )
    if model_shown:
        population.require_predictions("--show-model")
    if per_group is not None:
        n = sum(per_group.values())
    if n > len(population):
        raise DataError(
            f"{population.path}: {n} rows are wanted, but only {len(population)} have a text. Use a smaller -n"
        )
    generator = np.random.default_rng(seed)
    groups = make_strata(population, by if sampling != "simple" else (), strata)
    if sampling == "simple":
        drawn = simple(len(population), n, generator)
    else:
        parts = None if per_group is None else make_strata(population, by, ())
        sizes = share_out(population, groups, n, allocation, parts=parts, per_part=per_group)
        if sampling == "stratified":
            drawn = stratified(groups.of_row, sizes, generator)
        else:
            drawn = _draw_two_stage(population, groups, sizes, per_document, documents_by_size, generator)
    return _design(
        frame,
        texts,
        reading,
        drawn,
        groups,
        codebook,
        sampling=sampling,
        seed=seed,
        by=tuple(by),
        model_shown=model_shown,
        allocation=None if sampling == "simple" else allocation,
        first_stage=None if sampling != "two-stage" else "size" if documents_by_size else "equal",
        per_document=per_document if sampling == "two-stage" else None,
    )


def share_out(
    population: Population,
    groups: Strata,
    n: int,
    allocation: str,
    *,
    parts: Strata | None = None,
    per_part: Mapping[str, int] | None = None,
) -> Ints:
    """Allocate rows to strata (see `draws.allocate`).

    Args:
        population: The rows.
        groups: The strata.
        n: Number of rows, if there are no parts.
        allocation: Allocation of rows to strata (see `strata.allocation_weights`).
        parts: Coarser strata, each of which has its own number of rows.
        per_part: Number of rows in each of them, by name.

    Returns:
        Number of rows for each stratum.
    """
    weights = allocation_weights(population, groups, allocation)
    if parts is None or per_part is None:
        return allocate(groups.sizes, weights, n)
    part_of = np.zeros(len(groups.names), np.int64)
    part_of[groups.of_row] = parts.of_row
    drawn = np.zeros(len(groups.names), np.int64)
    all_sizes = groups.sizes
    for number, name in enumerate(parts.names):
        inside = np.flatnonzero(part_of == number)
        sizes = all_sizes[inside]
        # Each stratum needs a minimum number of rows, which may be more than the whole part was to have.
        wanted = max(per_part[name], int(np.minimum(sizes, MINIMUM).sum()))
        drawn[inside] = wanted if len(inside) == 1 else allocate(sizes, weights[inside], wanted)
    return drawn


def _draw_two_stage(
    population: Population,
    groups: Strata,
    sizes: Ints,
    per_document: int,
    by_size: bool,
    generator: np.random.Generator,
) -> Draw:
    stratum_of_document = documents_of(population, groups)
    rows, probability = [], []
    for stratum, (inside, wanted) in enumerate(zip(groups.members(), sizes, strict=True)):
        numbers = np.flatnonzero(stratum_of_document == stratum)
        # The documents of a stratum are numbered from 0 again.
        documents = np.searchsorted(numbers, population.documents[inside])
        plan = plan_two_stage(np.bincount(documents).astype(np.int64), int(wanted), per_document, proportional=by_size)
        part = two_stage(documents, plan, generator)
        rows.append(inside[part.rows])
        probability.append(part.probability)
    joined = np.concatenate(rows)
    order = np.argsort(joined)
    return Draw(joined[order], np.concatenate(probability)[order])


def training_sample(
    population: Population | Frame,
    n: int,
    codebook: Codebook,
    *,
    by: Sequence[str] = (),
    exclude: Collection[str] = (),
    model_shown: bool = False,
    seed: int = 0,
) -> Design:
    """Select rows for training (see `training.pick_for_training`). Their inclusion probability is None.

    Raises:
        DataError: No row is left to select, or a column does not exist.
    """
    frame = population if isinstance(population, Frame) else Frame(population)
    population = frame.population
    rows = np.sort(pick_for_training(population, n, exclude=exclude, seed=seed))
    if not len(rows):
        raise DataError(
            f"{population.path}: no row can be selected, because every document is excluded. Exclude fewer documents, omit "
            "--trained-documents, or use other predictions"
        )
    return _design(
        frame,
        (),
        (),
        Draw(rows, np.full(len(rows), np.nan)),
        make_strata(population, (), ()),
        codebook,
        sampling="training",
        seed=seed,
        by=tuple(by),
        model_shown=model_shown,
    )


def _design(
    frame: Frame,
    texts: Sequence[tuple[str, str]],
    reading: Sequence[str],
    drawn: Draw,
    groups: Strata,
    codebook: Codebook,
    *,
    sampling: Sampling,
    seed: int,
    by: tuple[str, ...],
    model_shown: bool,
    allocation: str | None = None,
    first_stage: Literal["size", "equal"] | None = None,
    per_document: int | None = None,
) -> Design:
    population = frame.population
    columns = {name: population.column(name) for name in by}
    members = []
    for row, probability in zip(drawn.rows.tolist(), drawn.probability.tolist(), strict=True):
        sentence = population.sentence(row)
        shown = display_sha256(sentence.text)
        members.append(
            Member(
                id=sentence.id,
                sha256=sentence.sha256,
                display_sha256=None if shown == sentence.sha256 else shown,
                document=sentence.document,
                index=sentence.index,
                language=sentence.language,
                stratum=groups.names[groups.of_row[row]],
                inclusion_probability=None if np.isnan(probability) else probability,
                labels=population.predicted(row),
                columns={name: column.levels[column.codes[row]] for name, column in columns.items()},
            )
        )
    documents = [len(np.unique(population.documents[members])) for members in groups.members()]
    taken = np.bincount(groups.of_row[drawn.rows], minlength=len(groups.names))
    return Design(
        purpose="training" if sampling == "training" else "estimate",
        sampling=sampling,
        seed=seed,
        predictions=population.path.name if population.has_predictions else None,
        predictions_sha256=population.sha256 if population.has_predictions else None,
        texts=tuple(Source(name=name, sha256=sha256) for name, sha256 in texts),
        reading=tuple(reading),
        ids_sha256=population.ids_sha256,
        left_out=frame.left_out,
        missing_group=frame.missing_group,
        population=len(population),
        documents=len(np.unique(population.documents)),
        allocation=allocation,
        first_stage=first_stage,
        per_document=per_document,
        by=by,
        model_shown=model_shown,
        codebook=codebook,
        codebook_sha256=codebook.sha256,
        strata=tuple(
            Stratum(
                stratum=name,
                population=int(groups.sizes[h]),
                documents=documents[h],
                drawn=int(taken[h]),
            )
            for h, name in enumerate(groups.names)
        ),
        rows=tuple(members),
    )
