"""The two sides of a comparison: the labels of a model on a corpus, or a table of predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from ..data.codebook import Codebook
from ..errors import DataError
from ..io.paths import find_files
from ..labelling.options import Options
from ..labelling.reader import ShardReader
from ..labelling.run import FileSink, LocalEngine, describe_run, label_files, run_sha256
from ..labelling.shard_folder import ShardFolder
from ..labelling.units import rows_of_texts
from ..labelling.write import OutputForm
from ..load import load_model
from ..models.folder import read_codebook, read_info
from ..models.info import ModelInfo
from ..models.predictor import model_folder
from ..reporting.format import counted
from ..reporting.progress import ProgressReporter
from ..sampling.population import Population, read_population


@dataclass(frozen=True)
class CorpusOptions:
    """The texts that model folders label, and how they are read. The options are those of `communique label`."""

    paths: Sequence[str] = ()
    text_column: str | None = None
    document_column: str | None = None
    split: bool | None = None
    encoding: str | None = None
    sheet: str | None = None


@dataclass(frozen=True)
class Side:
    """One side of a comparison.

    Attributes:
        name: The name in reports: the path that the user named.
        population: The labelled rows.
        folder: The model folder, or None for a table of predictions.
        info: The model, or None for a table of predictions.
        codebook: The codebook, or None if it is not known.
        notes: Lines for the user.
    """

    name: str
    population: Population
    folder: Path | None = None
    info: ModelInfo | None = None
    codebook: Codebook | None = None
    notes: tuple[str, ...] = field(default=())


def is_model(path: str | Path) -> bool:
    """Return whether a path is a model folder, or the name of the shipped model, rather than a table."""
    return model_folder(path).is_dir()


def open_side(
    path: str | Path,
    corpus: CorpusOptions,
    codebook: Codebook | None = None,
    *,
    threads: int | None = None,
    progress: Callable[[float], ProgressReporter] = lambda total: ProgressReporter.silent(),
) -> Side:
    """Read a table of predictions, or label a corpus with a model.

    Args:
        path: A model folder, `communique-small` for the shipped model, or a table of predictions.
        corpus: The texts for a model folder.
        codebook: The codebook of a table of predictions. Default: not known; the labels are those of the probability columns.
        threads: Number of CPU threads of the model. Default: all cores.
        progress: Returns a reporter for a number of bytes.

    Raises:
        BundleError: The model folder is incomplete.
        DataError: The table or the corpus cannot be read, or a model folder has no corpus to label.
    """
    if not is_model(path):
        population = read_population(path, codebook, encoding=corpus.encoding)
        return Side(str(path), population, codebook=codebook, notes=_unlabelled(population, str(path)))
    model = model_folder(path)
    info = read_info(model)
    if codebook is not None:
        raise DataError(
            f"{path}: a model folder has its own codebook. Omit the codebook of this side, or name a table of predictions"
        )
    if not corpus.paths:
        raise DataError(
            f"{path}: this is a model folder, so a corpus to label is needed. Name one after the two models"
        )
    with TemporaryDirectory(prefix="communique-") as folder:
        out = Path(folder) / "labels.parquet"
        notes = _label(model, info, corpus, out, threads, progress)
        population = read_population(out)
    return Side(str(path), population, model, info, read_codebook(model, info), (*notes, *_unlabelled(population)))


def _unlabelled(population: Population, name: str = "") -> tuple[str, ...]:
    lines = list(population.notes) if name else []
    if population.unlabelled:
        rows = counted(population.unlabelled, "row")
        lines.append(
            f"{name}: {rows} without labels left out" if name else f"{rows} of the corpus without labels left out"
        )
    return tuple(lines)


def _label(
    folder: Path,
    info: ModelInfo,
    corpus: CorpusOptions,
    out: Path,
    threads: int | None,
    progress: Callable[[float], ProgressReporter],
) -> list[str]:
    """Label the corpus into a Parquet file, exactly as `communique label` does, and return the notes about the input."""
    options = Options(
        text_column=corpus.text_column,
        document_column=corpus.document_column,
        sheet=corpus.sheet,
        encoding=corpus.encoding,
        split=bool(corpus.split),
        as_json=False,
        labels=info.labels,
    )
    reader = ShardReader(find_files(corpus.paths, spool=out.parent, encoding=corpus.encoding), options)
    if corpus.split is None and (texts := rows_of_texts(reader.files, options)):
        raise DataError(
            f"{texts}. Split them into sentences with --split, or label each row as one sentence with --no-split"
        )
    model = load_model(folder, threads=threads, info=info)
    run = describe_run(info, reader, threads)
    form = OutputForm(out.name, ".parquet", None, info, model.codebook, run_sha256(run))
    with closing(ShardFolder(out, run, resume=None)) as shards:
        _, notes = label_files(reader, LocalEngine(model), FileSink(shards, form), progress(reader.bytes))
    return notes.lines()


def coding_codebook(first: Side, second: Side) -> Codebook:
    """Return the codebook with which coded rows are read, if the user names none.

    This is the codebook of the first side, or else of the second. If neither is known, it has the labels of the first side.

    Raises:
        DataError: The sides have different labels, so it is not known which of them the coders used.
    """
    if set(first.population.names) != set(second.population.names):
        raise DataError(
            f"{first.name} and {second.name} have different labels, so it is not known which of them the coded rows have. Name the "
            "codebook of the coded rows with --codebook"
        )
    if (known := first.codebook or second.codebook) is not None:
        return known
    names = first.population.names
    labels = [{"name": name, "definition": name} for name in names]
    task = "multiclass" if "none" in names else "multilabel"
    return Codebook.model_validate({"name": "unknown", "version": "1", "task": task, "labels": labels})
