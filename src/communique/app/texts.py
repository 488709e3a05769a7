"""Texts that somebody pasted or dropped on the page *Label*: they are not documents of the project, and are kept with the app.

Each has a folder `.app/texts/ID/` with its files, a description, and the table that `communique label` would write for them.
"""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import IO, Any, Literal

from ..data.codebook import Codebook
from ..errors import DataError, NotFoundError
from ..io.atomic import disk_errors, replacing
from ..io.paths import find_files
from ..io.received import file_names
from ..labelling.options import Options
from ..labelling.reader import ShardReader
from ..labelling.run import FileSink, LocalEngine, describe_run, label_files, run_sha256
from ..labelling.shard_folder import ShardFolder
from ..labelling.units import rows_of_texts
from ..labelling.write import OutputForm
from ..models.info import ModelInfo
from ..project.coding import now
from ..reporting.format import counted, one_line
from ..reporting.progress import ProgressReporter
from ..text.cleaning import without_surrogates
from ..text.language_codes import normalize_language
from .ids import is_id, new_id
from .jobs import Job, Jobs
from .models import ModelChoice, Models
from .store import APP_FOLDER

#: Folder of the texts inside the folder of the app, and the files in the folder of each.
TEXTS = "texts"
_DESCRIPTION, _FILES, LABELLED = "texts.json", "files", "labelled.parquet"

#: Maximum number of characters of a pasted text, which is labelled while the page waits. At 300 sentences per second, this many
#: characters need two or three seconds.
MAX_PASTED = 100_000

#: Maximum number of files that are dropped together.
MAX_FILES = 200

#: Number of characters of a pasted text that are its title.
_TITLE = 60


@dataclass(frozen=True)
class TextSet:
    """Texts that were labelled together.

    Attributes:
        id: Their id.
        folder: Their folder.
        title: The beginning of a pasted text, or the names of the files.
        kind: Whether the text was pasted or files were dropped.
        created: When.
        model: Name of the model.
        info: Description of the model.
        codebook: Codebook of the model.
        notes: What the reader of a pasted text noticed.
        job: The job that labels the files, or None.
    """

    id: str
    folder: Path
    title: str
    kind: Literal["pasted", "files"]
    created: datetime
    model: str
    info: ModelInfo
    codebook: Codebook
    notes: tuple[str, ...] = ()
    job: str | None = None

    @property
    def table(self) -> Path:
        """The labelled table. It exists once all texts are labelled."""
        return self.folder / LABELLED


class Texts:
    """The texts of the page *Label*.

    Args:
        project: Folder of the project.
        models: The models.
        jobs: The jobs of the project.
    """

    def __init__(self, project: Path, models: Models, jobs: Jobs) -> None:
        self._project, self._models, self._jobs = project, models, jobs
        self._folder = project / APP_FOLDER / TEXTS
        self._busy = threading.Lock()

    def all(self, limit: int = 50) -> list[TextSet]:
        """Return the newest texts, from the newest to the oldest."""
        if not self._folder.is_dir():
            return []
        folders = (path for path in self._folder.iterdir() if is_id(path.name))
        names = sorted((path.name for path in folders if (path / _DESCRIPTION).is_file()), reverse=True)
        found = []
        for name in names[:limit]:
            with suppress(NotFoundError):
                found.append(self.get(name))
        return found

    def get(self, id: str) -> TextSet:
        """Return texts.

        Raises:
            NotFoundError: There are no such texts, or their description is damaged.
        """
        folder = self._folder / id
        if not is_id(id) or not (folder / _DESCRIPTION).is_file():
            raise NotFoundError("There are no such texts.")
        try:
            return self._read(folder)
        except (OSError, ValueError, KeyError, TypeError):
            raise NotFoundError("There are no such texts. Their description is damaged") from None

    def _read(self, folder: Path) -> TextSet:
        content: dict[str, Any] = json.loads((folder / _DESCRIPTION).read_text(encoding="utf-8"))
        return TextSet(
            id=folder.name,
            folder=folder,
            title=content["title"],
            kind=content["kind"],
            created=datetime.fromisoformat(content["created"]),
            model=content["model"],
            info=ModelInfo.model_validate(content["info"]),
            codebook=Codebook.model_validate(content["codebook"]),
            notes=tuple(content["notes"]),
            job=content["job"],
        )

    def job_of(self, texts: TextSet) -> Job | None:
        """Return the job that labels texts, or None."""
        if texts.job is None:
            return None
        try:
            return self._jobs.get(texts.job)
        except NotFoundError:  # somebody deleted it
            return None

    def delete(self, id: str) -> None:
        """Delete texts and their labels. Corrections are codings, and stay in the project.

        Raises:
            DataError: The texts are being labelled.
        """
        texts = self.get(id)
        if (job := self.job_of(texts)) is not None and job.state == "running":
            raise DataError(f"{texts.title}: is being labelled. Cancel the job first")
        with disk_errors(texts.folder):
            shutil.rmtree(texts.folder)

    def paste(self, text: str, choice: ModelChoice, language: str = "") -> TextSet:
        """Label a pasted text now.

        Args:
            text: The text. It is split into sentences as a document is.
            choice: The model.
            language: Language of the text (BCP 47). Default: identified.

        Raises:
            DataError: The text is empty or too long, or the language is not a code.
        """
        text = without_surrogates(text)
        if not text.strip():
            raise DataError("The text is empty. Paste a text, or choose files")
        if len(text) > MAX_PASTED:
            raise DataError(
                f"The text has {counted(len(text), 'character')}. At most {MAX_PASTED:,} can be pasted. Save the text as a file, "
                "and choose the file instead"
            )
        given = _language(language)
        with self._new() as folder:
            path = folder / _FILES / f"text-{folder.name}.txt"
            path.write_text(text, encoding="utf-8", newline="")
            model = self._models.open(choice)
            options = Options(language=given, encoding="utf-8", as_json=False, labels=choice.info.labels)
            reader = ShardReader(find_files([path], encoding="utf-8", language=given), options)
            run = describe_run(choice.info, reader, None)
            out = folder / LABELLED
            form = OutputForm(path.name, ".parquet", None, choice.info, model.codebook, run_sha256(run))
            # Two texts at once would only compete for the same cores.
            with self._busy, closing(ShardFolder(out, run, resume=False)) as shards:
                sink = FileSink(shards, form)
                _, notes = label_files(reader, LocalEngine(model), sink, ProgressReporter.silent())
            lines = [line.replace(str(path), "text") for line in notes.lines()]
            words = " ".join(text.split())
            title = one_line(words[:_TITLE]) + ("…" if len(words) > _TITLE else "")
            return self._describe(folder, title, "pasted", choice, model.codebook, notes=lines)

    def upload(
        self, files: Sequence[tuple[str, IO[bytes]]], choice: ModelChoice, *, text_column: str = "", language: str = ""
    ) -> TextSet:
        """Keep files, and start the job that labels them.

        Args:
            files: Name and content of each file.
            choice: The model.
            text_column: Column of tables that contains the texts. Default: found by its name.
            language: Language of the texts (BCP 47). Default: identified.

        Raises:
            DataError: There are no files or too many, or a file cannot be read.
        """
        if not files:
            raise DataError("No file is chosen. Choose files, or paste a text")
        if len(files) > MAX_FILES:
            raise DataError(
                f"{len(files):,} files are too many. Choose at most {MAX_FILES}, or add them to the documents"
            )
        given, names = _language(language), file_names([name for name, _ in files])
        codebook = self._models.codebook(choice)
        with self._new() as folder:
            paths = [folder / _FILES / name for name in names]
            for path, (_, content) in zip(paths, files, strict=True):
                with disk_errors(path), path.open("wb") as handle:
                    shutil.copyfileobj(content, handle)
            arguments = [str(path.relative_to(self._project)) for path in paths]
            arguments += ["--model", str(choice.folder.resolve())]
            arguments += ["--out", str((folder / LABELLED).relative_to(self._project))]
            options = Options(text_column=text_column or None, language=given, as_json=False, labels=choice.info.labels)
            try:
                if _needs_split(paths, options):
                    arguments.append("--split")
            except DataError as error:
                inside = f"{folder / _FILES}/"
                raise DataError(*(line.replace(inside, "") for line in error.problems)) from error
            # With an equals sign, a value that begins with a dash is no option.
            arguments += [f"--text-column={text_column}"] if text_column else []
            arguments += [f"--language={given}"] if given else []
            job = self._jobs.start("label", arguments, resume_with=["--resume"], alone=False)
            title = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            return self._describe(folder, title, "files", choice, codebook, job=job.id)

    @contextmanager
    def _new(self) -> Iterator[Path]:
        """Create a folder. It is deleted again if the block fails."""
        folder = self._folder / new_id(now())
        with disk_errors(folder):
            (folder / _FILES).mkdir(parents=True)
        try:
            yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def _describe(
        self,
        folder: Path,
        title: str,
        kind: Literal["pasted", "files"],
        choice: ModelChoice,
        codebook: Codebook,
        *,
        notes: Sequence[str] = (),
        job: str | None = None,
    ) -> TextSet:
        """Write the description of texts. It contains what pages and exports need, even if the model is deleted later."""
        # The hashes of the training rows would be megabytes.
        training = choice.info.training.model_copy(update={"document_hashes": (), "text_hashes": ()})
        info = choice.info.model_copy(update={"training": training})
        found = TextSet(folder.name, folder, title, kind, now(), choice.name, info, codebook, tuple(notes), job)
        content = {
            "title": title,
            "kind": kind,
            "created": found.created.isoformat(),
            "model": choice.name,
            "info": info.model_dump(mode="json"),
            "codebook": codebook.model_dump(mode="json", exclude_defaults=True),
            "notes": list(notes),
            "job": job,
        }
        with replacing(folder / _DESCRIPTION) as handle:
            json.dump(content, handle, ensure_ascii=False)
        return found


def _needs_split(paths: Sequence[Path], options: Options) -> bool:
    """Return whether the rows of some table are whole texts. Every file is opened, so that an unusable one is refused now."""
    found = find_files(paths, language=options.language)
    ShardReader(found, options)
    return rows_of_texts(found.files, replace(options, split=False)) is not None


def _language(code: str) -> str | None:
    try:
        return normalize_language(code) if code.strip() else None
    except ValueError as error:
        raise DataError(f"Language: {error}") from None
