"""`communique robustness`: measure whether labels stay the same when the names or the surface of a sentence change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ..errors import require_extra
from ..reporting.format import counted
from .common import (
    INPUT,
    DocumentColumn,
    EncodingOption,
    ExcludeOption,
    JsonReport,
    LabelColumn,
    LabelMap,
    LanguageColumn,
    MarkdownReport,
    ModelArgument,
    Overwrite,
    SheetOption,
    StandoffTexts,
    TextColumn,
    cli_errors,
    condition,
    label_translation,
    named_columns,
    note,
    show,
)


@cli_errors
def robustness(
    model: ModelArgument,
    corpus: Annotated[
        list[str],
        typer.Argument(help="Tables, folders or globs. Labels are required only for the error rates."),
    ],
    texts: StandoffTexts = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    document_column: DocumentColumn = None,
    language_column: LanguageColumn = None,
    label_map: LabelMap = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    exclude: ExcludeOption = None,
    only_held_out: Annotated[
        bool,
        typer.Option(
            "--only-held-out",
            help="Use only the rows that were held out when the model was trained.",
            rich_help_panel=INPUT,
        ),
    ] = False,
    test: Annotated[
        list[str] | None, typer.Option(help="Run only this test. Can be repeated. Default: all tests.")
    ] = None,
    draws: Annotated[
        int,
        typer.Option(
            min=1,
            help="Maximum number of swapped versions of each sentence, in which another country or organisation is named.",
        ),
    ] = 10,
    json_out: JsonReport = None,
    markdown_out: MarkdownReport = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws and of the bootstrap.")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Change names, spelling and punctuation in sentences, and measure whether the labels stay the same.

    For example:

        communique robustness communique-small coded.csv
        communique robustness communique-small coded.csv --test "upper case" --markdown report.md
    """
    for package in ("babel", "scipy"):
        require_extra(package, "measuring robustness", extra="analysis")
    from ..data.standoff import scan_corpora
    from ..errors import DataError
    from ..io.atomic import replacing
    from ..io.output import check_outputs
    from ..io.paths import list_files
    from ..load import load_model
    from ..models.folder import held_out_ids
    from ..reporting.progress import ProgressReporter
    from ..robustness import measure
    from ..robustness.measure import TESTS
    from ..text.language import UNDETERMINED

    if unknown := [name for name in test or () if name not in TESTS]:
        raise typer.BadParameter(f"{unknown[0]!r} is not a test. Use one of: {', '.join(TESTS)}", param_hint="--test")
    files = list_files(corpus)
    check_outputs([json_out, markdown_out], inputs=(*files, texts), overwrite=overwrite)
    conditions = [condition(text) for text in exclude or ()]
    opened = load_model(model)
    lines: list[str]
    found, lines, problems = scan_corpora(
        files,
        opened.codebook,
        texts,
        columns=named_columns(text_column, label_column, document_column, language_column),
        labels=label_translation(label_map),
        encoding=encoding,
        sheet=sheet,
        labelled=False,
        refuse_model=False,
    )
    if problems:
        raise DataError(*problems)
    for line in (*lines, *found.notes):
        note(line)
    if all(sentence.labels is None for sentence in found):
        note("no row has labels, so the report contains no error rates by actor")
    if unknown_language := sum(sentence.language == UNDETERMINED for sentence in found):
        note(
            f"no actor is swapped in {counted(unknown_language, 'row')} of {len(found):,}, because the language is not known. Name "
            "the column that contains the language with --language-column"
        )
    n = len(found)
    found = found.where(lambda s: not any(getattr(s, field) == value for field, value in conditions))
    if conditions:
        note(f"{counted(n - len(found), 'row')} left out by --exclude {' '.join(exclude or ())}")
    held_out = held_out_ids(model, opened.info)
    if only_held_out:
        n = len(found)
        found = found.where(lambda s: s.id in held_out)
        note(f"{counted(n - len(found), 'row')} left out by --only-held-out")
        if not len(found):
            remedy = (
                "Name the tables that the model was trained on, or omit --only-held-out"
                if held_out
                else "It was trained on all rows. Omit --only-held-out"
            )
            raise DataError(f"{model}: the training of the model held out none of the {counted(n, 'row')}. {remedy}")
    trained = opened.info.training.fingerprint
    seen = {s.id for s in found if s.id not in held_out and trained.overlap(s) is not None}
    if seen:
        note(f"left out of the error rates: {counted(len(seen), 'row')} with a document or a text of the training data")
    data = ", ".join(Path(name).name for name in found.files) + "".join(f", without {text}" for text in exclude or ())
    if only_held_out:
        data += ", held-out rows"
    with ProgressReporter() as progress:
        result = measure(
            opened,
            found,
            data=data,
            tests=test or TESTS,
            draws=draws,
            seed=seed,
            seen=lambda s: s.id in seen,
            progress=progress,
        )
    show(result.to_markdown())
    info = opened.info
    content = {"model": info.name, "version": info.version, "kind": info.kind, **result.to_dict()}
    if json_out is not None:
        with replacing(json_out) as handle:
            handle.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if markdown_out is not None:
        with replacing(markdown_out) as handle:
            handle.write(result.to_markdown())
