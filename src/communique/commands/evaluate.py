"""`communique evaluate`: measure a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from ._shared import note, told


@told
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
    from ..bundle import read_codebook, read_info
    from ..evaluation import evaluate as run
    from ..reference import read_corpora
    from ..tables import replacing

    conditions = [_condition(text) for text in exclude or ()]
    info = read_info(model)
    found, told = read_corpora(corpus, read_codebook(model, info), texts)
    for line in (*told, *found.notes):
        note(line)
    n = len(found)
    found = found.where(lambda s: not any(getattr(s, field) == value for field, value in conditions))
    if conditions:
        note(f"{n - len(found)} rows left out by --exclude {' '.join(exclude or ())}")
    data = ", ".join(Path(name).name for name in found.files) + "".join(f", without {text}" for text in exclude or ())
    report, dropped = run(model, found, data=data, drop_shared=drop_shared, seed=seed)
    if dropped:
        note(f"{dropped} rows left out because the training data share them")
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
