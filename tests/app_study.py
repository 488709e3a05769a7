"""A small study in English, Arabic and Chinese, for tests of the web app that look at real sentences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helpers import CUES, ROOT, write_rows
from project_helpers import draw

from communique.data.codebook import Codebook
from communique.project import Coding, Project
from communique.project.coding import now
from communique.sampling.population import display_sha256

#: Labels of the sentences, in short.
_C, _P, _S = CUES

#: The documents: language, country, and sentences with the labels that a model predicts.
STUDY: dict[str, tuple[str, str, tuple[tuple[str, tuple[str, ...]], ...]]] = {
    "norland-2024-03": (
        "en",
        "Norland",
        (
            ("The council met in Harrow Bay on Tuesday morning.", ()),
            ("Norland condemns the closure of the strait as a reckless act against every coastal nation.", (_C,)),
            ("Karsund must lift the blockade of the grain ships without delay.", (_C, _P)),
            ("All states should ratify the treaty on the protection of the river.", (_P,)),
            ("Our government will send forty engineers to rebuild the port of Velm.", (_S,)),
            ("The minister thanked the hosts for their hospitality.", ()),
            ("We regret that the commission published its findings before it had heard the victims.", (_C,)),
            ("A fund for the fishing villages ought to be set up before the winter.", (_P,)),
        ),
    ),
    "karsund-2024-04": (
        "en",
        "Karsund",
        (
            ("Karsund rejects the accusations of its neighbours as unfounded.", (_C,)),
            ("The two delegations agreed to open a joint office for customs.", (_S,)),
            ("Sanctions that hit hospitals are illegal and should be ended.", (_C, _P)),
            ("The talks continued until late in the evening.", ()),
            ("Karsund will share the data of its weather stations with all states of the basin.", (_S,)),
            ("Nobody may be punished for reporting what happened at the dam.", (_P,)),
        ),
    ),
    "safara-2024-05": (
        "ar",
        "Safara",
        (
            ("اجتمع الوزيران في العاصمة صباح يوم الخميس.", ()),
            ("تدين صفارى إغلاق المضيق وتعدّه عملا غير مسؤول.", (_C,)),
            ("يجب أن ترفع كارسوند الحصار عن سفن الحبوب فورا.", (_C, _P)),
            ("سترسل حكومتنا فرقا طبية إلى مدينة Velm قبل نهاية الشهر.", (_S,)),
            ("ينبغي لجميع الدول أن تصادق على معاهدة حماية النهر.", (_P,)),
        ),
    ),
    "lanhe-2024-06": (
        "zh",
        "Lanhe",
        (
            ("两国代表团星期二上午在港口会面。", ()),
            ("蓝河谴责关闭海峡的鲁莽行为。", (_C,)),
            ("各国都应当批准保护河流的条约。", (_P,)),
            ("我国将派遣工程师帮助重建维尔姆港。", (_S,)),
            ("卡松必须立即解除对粮船的封锁。", (_C, _P)),
        ),
    ),
}


def study_rows() -> list[dict[str, Any]]:
    """Return the sentences as `communique label -o` writes them."""
    return [
        {
            "id": f"{document}:{index}",
            "document": document,
            "index": index,
            "language": language,
            "text": text,
            "labels": list(labels),
            "probabilities": {name: 0.87 if name in labels else 0.06 for name in CUES},
            "truncated": False,
            "country": country,
            "year": 2024,
        }
        for document, (language, country, sentences) in STUDY.items()
        for index, (text, labels) in enumerate(sentences)
    ]


def create_study(folder: Path, *, n: int = 24, codebook: Path | None = None, shown: bool = False) -> Project:
    """Create the study in a folder that does not exist yet, with one sample of all its sentences."""
    table = write_rows(folder.with_name(f"{folder.name}.jsonl"), study_rows())
    project = Project.create(
        folder, name="Blockade of the strait", codebook=codebook or ROOT / "data" / "codebook.yaml", documents=[table]
    )
    draw(project, n, shown=shown)
    return project


def code_study(project: Project, coder: str, *, wrong: tuple[int, ...] = (), n: int = 24) -> None:
    """Append codings of the first sentences: the labels of `STUDY`, except for the numbers in `wrong`."""
    design = project.designs()["sample-1"]
    rows = {row["id"]: row for row in study_rows()}
    codebook: Codebook = project.codebook
    codings = []
    for number, member in enumerate(design.rows[:n]):
        row = rows[member.id]
        labels = [name for name in row["labels"] if name in codebook.names]
        if number in wrong:
            labels = [name for name in codebook.names if name not in labels][:1]
        codings.append(
            Coding(
                id=row["id"],
                sha256=display_sha256(row["text"]),
                text=row["text"],
                document=row["document"],
                index=row["index"],
                language=row["language"],
                labels=codebook.validate_labels(labels),
                coder=coder,
                time=now(),
                codebook=codebook.title,
                codebook_sha256=codebook.sha256,
                sample="sample-1",
                model_shown=False,
            )
        )
    project.keep_codebook(codebook)
    project.log.append(codings)
