"""The command line. Exit codes: 0 done, 1 the data or the model is at fault, 2 the command line is."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from . import __version__
from .errors import CommuniqueError

app = typer.Typer(
    name="communique",
    help="Label sentences of political statements: train, measure and run multilingual stance classifiers.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _told(function: Callable[..., None]) -> Callable[..., None]:
    """Answer an error raised on purpose with its lines and exit code 1."""

    @wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except CommuniqueError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo("stopped", err=True)
            raise typer.Exit(130) from None

    return wrapped


def _note(line: str) -> None:
    typer.echo(line, err=True)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"communique {__version__}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Label sentences of political statements: train, measure and run multilingual stance classifiers."""


@app.command()
@_told
def label(
    paths: Annotated[list[Path], typer.Argument(help="Text or Markdown files, folders of them, or tables.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write .jsonl, .csv or .parquet.")] = None,
    model: Annotated[Path | None, typer.Option(help="Folder of a bundle; the shipped model without it.")] = None,
    text_column: Annotated[str | None, typer.Option(help="A table's column of texts.")] = None,
    split: Annotated[bool, typer.Option("--split", help="Split the rows of tables into sentences.")] = False,
    language: Annotated[
        str | None, typer.Option(help="Language of all texts (BCP 47 code); identified without it.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; all cores without it.")] = None,
) -> None:
    """Label text. Without -o a table is printed."""
    from . import labelling
    from .predictor import Predictor

    if out is not None and out.suffix.lower() not in labelling.OUTPUT_SUFFIXES:
        raise typer.BadParameter(f"{out}: an output ends in {', '.join(labelling.OUTPUT_SUFFIXES)}", param_hint="--out")
    found = labelling.read_input(paths, text_column=text_column, language=language, split=split)
    predictor = Predictor.load(model, threads=threads)
    output = labelling.label(found, predictor)
    names = predictor.codebook.names
    if out is None:
        # Where output goes to a file or a pipe, rich would take 80 columns and cut words in two.
        labelling.print_table(Console(width=None if sys.stdout.isatty() else 120, highlight=False), output, names)
    else:
        labelling.write(out, output)
    for line in found.notes + found.unreadable:
        _note(line)
    _note(labelling.summary(found, output, names))
    if found.unreadable:
        raise typer.Exit(1)


@app.command()
@_told
def check(
    corpus: Annotated[list[str], typer.Argument(help="Tables, folders or globs.")],
    codebook: Annotated[Path | None, typer.Option(help="Codebook; that of the shipped model without it.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Column of texts.")] = None,
    label_column: Annotated[str | None, typer.Option(help="Column of labels.")] = None,
    document_column: Annotated[str | None, typer.Option(help="Column of documents.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Texts of reference labels.")] = None,
) -> None:
    """List all problems of a corpus at once, with counts by label, language and document."""
    from .codebook import Codebook
    from .corpus import Corpus, conflicts, table_paths
    from .reference import is_reference, join

    book = Codebook.load(codebook or default_codebook())
    told = {"text": text_column, "labels": label_column, "document": document_column}
    columns = {name: column for name, column in told.items() if column}
    found, problems = Corpus(()), []
    for path in table_paths(corpus):
        if texts is not None and is_reference(path):
            joined = join(path, texts, book)
            _note(f"{path}: {joined.describe()}")
            found += joined.corpus
        else:
            part, part_problems = Corpus.scan(path, book, columns=columns)
            found += part
            problems += part_problems
    for line in problems:
        typer.echo(line)
    for line in (*found.notes, *(f"warning: {line}" for line in conflicts(found))):
        _note(line)
    unlabelled = sum(s.labels is None for s in found)
    typer.echo(f"{len(found)} rows in {len(found.documents)} documents are readable, {len(problems)} are not")
    _counts("label", Counter(label for s in found for label in s.labels or ()))
    none = sum(s.labels == () for s in found)
    typer.echo(f"  none {none}, unlabelled {unlabelled}")
    _counts("language", Counter(s.language for s in found))
    if any(s.sampling for s in found):
        _counts("sampling", Counter(s.sampling or "not told" for s in found))
    sizes = sorted(len(members) for members in found.documents.values())
    if sizes:
        typer.echo(f"rows a document: {sizes[0]} to {sizes[-1]}, median {sizes[len(sizes) // 2]}")
    if problems:
        raise typer.Exit(1)


def _counts(name: str, counts: Counter[str]) -> None:
    typer.echo(f"{name}: " + (", ".join(f"{value} {n}" for value, n in counts.most_common()) or "none"))


def default_codebook() -> Path:
    """Find the codebook of the default model."""
    from .bundle import CODEBOOK
    from .predictor import default_model

    return default_model() / CODEBOOK


@app.command()
@_told
def train(
    recipe: Annotated[Path, typer.Argument(help="Recipe (YAML).")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Checkpoint folder; runs/<name> without it.")] = None,
    texts: Annotated[Path | None, typer.Option(help="File or folder of texts for reference labels.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a checkpoint.")] = False,
) -> None:
    """Train a recipe. The same command after an interruption goes on where it stopped."""
    from .recipe import Recipe

    folder = out or Path("runs") / Recipe.load(recipe).name
    _extra("torch", "training")
    from .training import train as run

    _note(f"checkpoint: {run(recipe, folder, texts=texts, overwrite=overwrite)}")


@app.command()
@_told
def export(
    model: Annotated[Path, typer.Argument(help="Checkpoint folder.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Bundle folder; models/<name> without it.")] = None,
    recipe: Annotated[Path | None, typer.Option(help="The recipe, where its corpora have moved.")] = None,
    texts: Annotated[Path | None, typer.Option(help="Texts of reference labels, where they have moved.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a bundle.")] = False,
) -> None:
    """Export a checkpoint to a bundle for CPUs and prove it against the checkpoint."""
    from .bundle import read_info

    info = read_info(model, "checkpoint")
    _extra("torch", "export")
    from .export import export as run

    folder = out or Path("models") / info.name
    proof = run(model, folder, recipe=recipe, texts=texts, overwrite=overwrite)
    typer.echo(proof.to_markdown())
    _note(f"bundle: {folder}")


@app.command()
@_told
def evaluate(
    model: Annotated[Path, typer.Argument(help="Folder of a bundle or a checkpoint.")],
    corpus: Annotated[list[str], typer.Argument(help="Labelled tables, folders or globs; reference labels too.")],
    texts: Annotated[Path | None, typer.Option(help="Texts of reference labels.")] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(help="Leave rows out: source=…, language=… or sampling=…; repeatable.")
    ] = None,
    drop_shared: Annotated[
        bool, typer.Option("--drop-shared", help="Leave out rows that the training data share, and count them.")
    ] = False,
    json_out: Annotated[Path | None, typer.Option("--json", help="Write the report as JSON.")] = None,
    markdown_out: Annotated[Path | None, typer.Option("--markdown", help="Write the report as Markdown.")] = None,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Measure a model on labelled text that it has not seen."""
    from .bundle import read_codebook, read_info
    from .corpus import table_paths
    from .evaluation import evaluate as run
    from .reference import read_corpora
    from .tables import replacing

    conditions = [_condition(text) for text in exclude or ()]
    info = read_info(model)
    found, told = read_corpora(table_paths(corpus), read_codebook(model, info), texts)
    for line in (*told, *found.notes):
        _note(line)
    n = len(found)
    found = found.where(lambda s: not any(getattr(s, field) == value for field, value in conditions))
    if conditions:
        _note(f"{n - len(found)} rows left out by --exclude {' '.join(exclude or ())}")
    data = ", ".join(Path(name).name for name in found.files) + "".join(f", without {text}" for text in exclude or ())
    report, dropped = run(model, found, data=data, drop_shared=drop_shared, seed=seed)
    if dropped:
        _note(f"{dropped} rows left out because the training data share them")
    typer.echo(report.to_markdown())
    content = {"model": info.name, "version": info.version, "kind": info.kind, "dropped": dropped, **report.to_dict()}
    if json_out is not None:
        with replacing(json_out) as handle:
            handle.write(json.dumps(content, indent=1, ensure_ascii=False) + "\n")
    if markdown_out is not None:
        with replacing(markdown_out) as handle:
            handle.write(report.to_markdown())


def _condition(text: str) -> tuple[str, str]:
    field, separator, value = text.partition("=")
    if not separator or field not in ("source", "language", "sampling"):
        raise typer.BadParameter(
            f"{text!r}; write source=VALUE, language=VALUE or sampling=VALUE", param_hint="--exclude"
        )
    return field, value


def _extra(package: str, purpose: str) -> None:
    from importlib import import_module

    from .errors import MissingExtraError

    try:
        import_module(package)
    except ModuleNotFoundError:
        raise MissingExtraError(package, "train", purpose) from None
    from transformers.utils import logging

    # A progress bar per file of weights says nothing to a user who waits for an epoch.
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]


if __name__ == "__main__":
    app()
