"""The input of `communique sample`: predictions, or texts that are not labelled yet, without the rows that cannot be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import typer

from ..errors import DataError
from ..reporting.format import counted
from .common import UsageError, default_codebook, note

if TYPE_CHECKING:
    from ..data.codebook import Codebook
    from ..labelling.reading import TextReading
    from ..sampling.frame import Frame, MissingGroup
    from ..sampling.population import Population


class Labels:
    """The model that assigns the labels, and the codebook of the coders."""

    def __init__(self, model: Path | None, codebook: Path | None) -> None:
        self.model, self.codebook = model, codebook

    @property
    def known(self) -> bool:
        """Whether it is known which model assigns the labels. With only a codebook, it may be any."""
        return self.model is not None or self.codebook is None

    def any(self) -> Codebook:
        """Return the codebook without comparing it with anything."""
        from ..data.codebook import Codebook
        from ..models.folder import read_codebook, read_info

        if self.model is not None and self.codebook is None:
            return read_codebook(self.model, read_info(self.model))
        return Codebook.load(self.codebook or default_codebook())

    def of(self, population: Population) -> Codebook:
        """Return the codebook, and print a warning if the model has a different one.

        Raises:
            DataError: The predictions have other labels.
        """
        from ..models.folder import read_codebook, read_info

        labels = self.any()
        if self.model is not None and self.codebook is not None:
            of_model = read_codebook(self.model, read_info(self.model))
            for line in of_model.warning(labels, f"the model {self.model}", str(self.codebook)):
                note(line)
        if set(labels.names) != set(population.names):
            which = "the" if self.codebook is None else "a different"
            raise DataError(
                f"{population.path}: the labels are {', '.join(population.names)}, but the codebook {labels.name} has "
                f"{', '.join(labels.names)}. Name {which} codebook with --codebook: that of the model that assigned the labels"
            )
        return labels


def read_input(
    paths: Sequence[str], reading: TextReading, labels: Labels
) -> tuple[Population, tuple[tuple[str, str], ...]]:
    """Read predictions, or texts that are not labelled yet, and print notes about them.

    Returns:
        The population, and name and SHA-256 of each file of texts. There are none if the input is predictions.
    """
    from ..io.output import is_own_page
    from ..sampling.population import read_population
    from ..sampling.texts import content_of

    for path in paths:
        if is_own_page(Path(path)):
            raise DataError(
                f"{path}: this is a page for reading, which contains too little for a sample. Label the texts again with -o "
                "labelled.parquet (or .jsonl, .csv, .xlsx), and name that file"
            )
        content = content_of(path, encoding=reading.encoding, sheet=reading.sheet)
        # Without probabilities, only a codebook says what the labels are.
        if content == "labels" and labels.codebook is None:
            note(
                f"{path}: read as texts. If its column 'labels' contains predictions, name their codebook with --codebook"
            )
            continue
        if content == "texts":
            continue
        if len(paths) > 1:
            raise UsageError(f"{path} contains predictions. Name this file only, without other paths")
        _refuse_for_predictions(path, reading)
        book = labels.any() if content == "labels" else None
        population = read_population(path, book, encoding=reading.encoding, sheet=reading.sheet)
        if book is not None:
            note(
                f"{path}: read as predictions without probabilities, because of the columns id, document, text and labels"
            )
        for line in population.notes:
            note(line)
        if population.unlabelled:
            rows = counted(population.unlabelled, "row")
            note(f"{path}: left out of the population: {rows} without labels")
        return population, ()
    return _read_texts(paths, reading, labels.any())


def _refuse_for_predictions(path: str, reading: TextReading) -> None:
    """Check that no option is set that has no effect on predictions.

    Raises:
        UsageError: One is set.
    """
    without_effect = replace(reading, encoding=None, sheet=None).arguments()
    if without_effect:
        raise UsageError(
            f"{path} contains predictions, so {without_effect[0].replace('--format', '--input-format')} has no effect. "
            "Omit this option"
        )


def _read_texts(
    paths: Sequence[str], reading: TextReading, codebook: Codebook
) -> tuple[Population, tuple[tuple[str, str], ...]]:
    from ..io.paths import FORMATS
    from ..labelling.unlabelled import read_texts
    from ..reporting.progress import ProgressReporter

    if reading.form is not None and reading.form not in FORMATS:
        raise typer.BadParameter(
            f"{reading.form!r} is not a format. Use one of: {', '.join(FORMATS)}", param_hint="--input-format"
        )

    def refuse(message: str) -> None:
        raise UsageError(
            f"{message}. Split them into sentences with --split, or draw each row as one sentence with --no-split"
        )

    texts = read_texts(
        paths,
        codebook,
        reading,
        whole_texts=refuse,
        format_option="--input-format",
        progress=lambda reader: ProgressReporter(reader.bytes, note),
    )
    for line in texts.notes:
        note(line)
    return texts.population, texts.inputs


def leave_out(
    population: Population,
    purpose: Literal["estimate", "training"],
    groups: list[str],
    missing_group: MissingGroup,
    coded: list[Path],
    labels: Labels,
) -> Frame:
    """Return the rows that can be drawn, and print how many are left out and why.

    Raises:
        DataError: Rows have no group, and the user did not decide what to do with them, or no row is left.
    """
    from ..annotation.coded import read_coded_sentences
    from ..models.folder import read_info
    from ..models.predictor import default_model
    from ..sampling.frame import Frame

    frame = Frame(population)
    if purpose == "estimate":
        frame = frame.without_missing(groups, missing_group)
    if labels.known:
        trained_on = read_info(labels.model or default_model()).training.fingerprint
        frame = frame.without_trained(trained_on, purpose)
    if coded:
        known = read_coded_sentences(coded, labels.of(population))
        frame = frame.without("coded", known.rows(frame.population))
    for part in frame.left_out:
        model = ""
        if part.reason == "trained":
            model = f". The model is {labels.model or 'the shipped one. If it is another one, name it with --model'}"
        note(f"{population.path}: {part} (first: id {part.ids[0]!r}){model}")
    return frame


def documents_for_estimates(population: Population, labels: Labels) -> set[str]:
    """Return the names of the documents on which the model was not trained. Without a known model, these are all documents."""
    from ..models.folder import read_info
    from ..models.predictor import default_model
    from ..sampling.frame import untrained_documents

    if not labels.known:
        return set(population.document_names)
    return untrained_documents(population, read_info(labels.model or default_model()).training.fingerprint)
