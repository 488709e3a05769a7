"""`communique train`: train a model on labelled tables or from a recipe."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    COLUMN_OPTIONS,
    OUTPUT,
    DocumentColumn,
    EncodingOption,
    LabelColumn,
    LabelMap,
    LanguageColumn,
    SheetOption,
    StandoffTexts,
    TextColumn,
    advise,
    cli_errors,
    default_codebook,
    is_first_process,
    label_translation,
    named_columns,
    note,
    require_training,
    show,
)

if TYPE_CHECKING:
    from ..training.recipe import Recipe


@cli_errors
def train(
    data: Annotated[
        list[str], typer.Argument(help="Labelled tables, folders or globs, or one recipe (.yaml).", show_default=False)
    ],
    codebook: Annotated[
        Path | None, typer.Option(help="Codebook of the labels. Default: that of the shipped model.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Folder in which to save the model. Default: runs/NAME.", rich_help_panel=OUTPUT
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(help="Name of the model. Default: the name of the first table or folder.", rich_help_panel=OUTPUT),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            help="Classifier to train: tfidf, frozen-encoder or transformer, or auto to choose the best in cross-validation. "
            "Default: auto for tables, transformer for a recipe."
        ),
    ] = None,
    folds: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which out-of-fold predictions are kept. Folds that it contains are not computed again. Default: they "
            "are deleted at the end.",
            show_default=False,
        ),
    ] = None,
    only_folds: Annotated[
        bool,
        typer.Option("--only-folds", help="Stop when all folds are in the folder of --folds. No model is written."),
    ] = False,
    max_folds: Annotated[
        int | None,
        typer.Option(
            min=2,
            help="Number of folds for classifiers that take more than a minute to train. Default: all with --folds; otherwise 2 if "
            "the comparison would take more than 30 minutes.",
            show_default=False,
        ),
    ] = None,
    texts: StandoffTexts = None,
    text_column: TextColumn = None,
    label_column: LabelColumn = None,
    document_column: DocumentColumn = None,
    language_column: LanguageColumn = None,
    label_map: LabelMap = None,
    encoding: EncodingOption = None,
    sheet: SheetOption = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing model folder.", rich_help_panel=OUTPUT)
    ] = False,
) -> None:
    """Choose a classifier for labelled tables and train it.

    Run the same command again to resume an interrupted training. If the model learns nothing, the exit code is 1.

    The default settings suit 50 to 20,000 rows. To change settings, write a recipe (docs/guides/recipes.md).

    For example:

        communique train coded.xlsx --codebook codebook.yaml --name my-model
        communique label speeches.csv --model runs/my-model -o labels.parquet
    """
    columns = named_columns(text_column, label_column, document_column, language_column)
    recipe = _recipe(data, codebook, name, columns, label_translation(label_map), encoding, sheet)
    if only_folds and folds is None:
        raise typer.BadParameter("name the folder for the folds with --folds", param_hint="--only-folds")
    folder = out or Path("runs") / recipe.name
    from ..io.output import check_folder
    from ..models.info import INFO

    if not only_folds:
        check_folder(folder, inputs=(*data, codebook, texts), overwrite=overwrite, marker=INFO)
    require_training("training")
    _check_kind(kind)
    from ..models.folder import read_info, steps_folder
    from ..reporting.progress import ProgressReporter
    from ..training import distributed
    from ..training.run import train as run

    if (kind is None and folds is None and _is_recipe(data[0])) or distributed.world_size() > 1:
        _check_processes(data, kind, folds, distributed.world_size())
        if max_folds is not None:
            raise typer.BadParameter(
                "without a comparison there are no folds. Add --kind or --folds, or omit this option",
                param_hint="--max-folds",
            )
        with _resumable(steps_folder(folder)):
            written = run(recipe, folder, texts=texts, overwrite=overwrite, progress=ProgressReporter())
    else:
        from ..selection.select import AUTO, train_selected

        progress = ProgressReporter()
        with _resumable(folds or steps_folder(folder), kept=folds is not None):
            selection = train_selected(
                recipe,
                folder,
                kind=kind or ("transformer" if _is_recipe(data[0]) else AUTO),
                texts=texts,
                folds=folds,
                only_folds=only_folds,
                max_folds=max_folds,
                overwrite=overwrite,
                progress=progress,
            )
        show(selection.render(trained=not only_folds))
        written = folder
        if only_folds:
            advise(f"To train the model with these folds, run the same command without --only-folds. Folds: {folds}")
            return
    if not is_first_process():
        return
    info = read_info(written)
    note(f"{info.kind if info.kind == 'checkpoint' else 'model'}: {written}")
    if info.warnings:
        from ..models.unfit import describe_unfit

        for line in describe_unfit(info):
            note(line)
        raise typer.Exit(1)
    advise(f"To label text with this model, run: communique label TEXT --model {written}")
    if info.kind == "checkpoint":
        note(
            f"To label many texts, export it first, which makes labelling several times as fast: communique export {written}"
        )


@contextmanager
def _resumable(steps: Path, *, kept: bool = False) -> Iterator[None]:
    """Say after Ctrl-C how to resume, and how to run something else instead, if a step was finished.

    Args:
        steps: The folder with the steps.
        kept: Whether it is the folder of `--folds`, which is not next to a model.
    """
    try:
        yield
    except KeyboardInterrupt as stopped:
        from ..training.steps import OTHER_FOLDS, OTHER_MODEL, has_finished_steps

        if has_finished_steps(steps):
            stopped.args = (
                f"{steps} contains the finished steps. To resume, run the same command. To run it with other options, for "
                f"example another --kind, {OTHER_FOLDS if kept else OTHER_MODEL}, or delete this folder",
            )
        raise


def _check_kind(kind: str | None) -> None:
    """Refuse unknown classifiers before anything is read."""
    from ..errors import RecipeError
    from ..selection.select import check_kind

    if kind is not None:
        try:
            check_kind(kind)
        except RecipeError as error:
            raise typer.BadParameter(str(error), param_hint="--kind") from None


def _check_processes(data: list[str], kind: str | None, folds: Path | None, processes: int) -> None:
    """Refuse classifiers that several processes cannot train, and note that they do not compare classifiers."""
    if processes == 1:
        return
    if kind not in (None, "transformer"):
        raise typer.BadParameter(
            f"{kind} cannot be trained in {processes} processes, which can only train a transformer. Start the command without "
            "`accelerate launch`, or omit this option",
            param_hint="--kind",
        )
    if folds is not None:
        raise typer.BadParameter(
            f"{processes} processes cannot compute folds. Start the command without `accelerate launch`",
            param_hint="--folds",
        )
    if is_first_process() and not _is_recipe(data[0]):
        note(
            f"{processes} processes train a transformer without comparing classifiers. To compare them, start the command without "
            "`accelerate launch`."
        )


def _recipe(
    data: list[str],
    codebook: Path | None,
    name: str | None,
    columns: dict[str, str],
    labels: dict[str, str],
    encoding: str | None,
    sheet: str | None,
) -> Recipe:
    """Read the recipe, or create one for the tables."""
    from ..training.recipe import Recipe

    recipes = [path for path in data if _is_recipe(path)]
    if not recipes:
        book = codebook or default_codebook()
        return Recipe.for_tables(data, book, name, columns=columns, labels=labels, encoding=encoding, sheet=sheet)
    if len(data) > 1:
        raise typer.BadParameter(
            f"{recipes[0]} is a recipe, so it must be the only argument. Name the tables in the recipe, under 'corpora'",
            param_hint="DATA",
        )
    options: dict[str, object] = {"--codebook": codebook, "--name": name, "--encoding": encoding, "--sheet": sheet}
    options |= {"--label-map": labels or None}
    options |= {COLUMN_OPTIONS[field]: column for field, column in columns.items()}
    for option, value in options.items():
        if value is not None:
            raise typer.BadParameter(f"{data[0]} is a recipe. Set this in the recipe instead", param_hint=option)
    return Recipe.load(data[0])


def _is_recipe(path: str) -> bool:
    return path.lower().endswith((".yaml", ".yml"))
