"""Near-duplicates: finding edited texts in several scripts, and storing signatures without pickle."""

from __future__ import annotations

import contextlib
import random
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from helpers import facts

from communique import BundleError, MissingExtraError
from communique.data import near_duplicates

#: The first values of the signature of the sentence in `test_signatures_do_not_change_between_versions`.
GOLDEN = [97, 133, 249, 8, 5, 223, 210, 174]

TEXTS = (
    "The delegation of our country deplores the repeated closure of the river port by the neighbouring authorities.",
    "We stand ready to negotiate a new grain agreement with all coastal states before the end of the year.",
    "外交部发言人表示，双方一致同意在渔业领域深化务实合作，共同维护地区的和平与稳定。",
    "Министерство выразило глубокую обеспокоенность новыми ограничениями на транзит зерна через порт.",
    "تدعو الوزارة جميع الأطراف إلى احترام المعاهدة الموقعة بشأن تقاسم مياه النهر بين البلدين.",
)


@pytest.mark.parametrize("position", range(len(TEXTS)))
def test_edited_texts_are_found(position: int) -> None:
    text = TEXTS[position]
    words = text.split(" ")
    exchanged = text.replace("渔业", "林业") if len(words) < 3 else " ".join([*words[:3], "xyzzy", *words[4:]])
    variants = [
        text,
        text.upper().rstrip(".。"),
        "  ".join(words),
        unicodedata.normalize("NFD", text),
        f"– {text}",
        exchanged,
    ]
    found = near_duplicates.find(near_duplicates.signatures(TEXTS), variants)
    assert [(m.position, m.known) for m in found] == [(i, position) for i in range(len(variants))]
    assert all(m.similarity == 1 for m in found[:5])
    assert 0.7 <= found[5].similarity < 1


def test_different_texts_are_not_found() -> None:
    known = near_duplicates.signatures(TEXTS)
    others = [
        "We stand ready to mediate.",
        "The delegation of our country thanks the host for the warm welcome.",
        "外交部发言人主持例行记者会。",
        "",
        "—!?",
    ]
    assert near_duplicates.find(known, others) == []
    assert near_duplicates.find(near_duplicates.signatures(["...", ""]), ["", "!!!"]) == []
    assert near_duplicates.find(near_duplicates.signatures([]), ["a text"]) == []


def test_similarities_are_close_to_the_jaccard_index() -> None:
    draw = random.Random(3)
    letters, size = "abcdefghijklmnopqrstuvwxyz", near_duplicates.NGRAM
    one = "".join(draw.choices(letters, k=400))
    for share in (0.75, 0.85, 0.95):
        other = one[: int(400 * share)] + "".join(draw.choices(letters, k=40))
        a, b = ({text[i : i + size] for i in range(len(text) - size + 1)} for text in (one, other))
        exact = len(a & b) / len(a | b)
        (match,) = near_duplicates.find(near_duplicates.signatures([one]), [other], threshold=0.3)
        assert match.similarity == pytest.approx(exact, abs=0.12)


def test_signatures_do_not_change_between_versions() -> None:
    """Saved models contain signatures that are compared with new ones, so package updates must not change them."""
    signed = near_duplicates.signatures(["We condemn the closure of the port."])
    assert signed.shape == (1, 128)
    assert signed[0, :8].tolist() == GOLDEN


def test_the_saved_file_is_small_and_read_without_pickle(tmp_path: Path) -> None:
    draw = random.Random(0)
    texts = [" ".join(draw.choices(TEXTS[0].split(), k=12)) for _ in range(200)]
    near_duplicates.save(tmp_path / "n.npz", [*texts, *texts])
    different = len(set(texts))
    # A text needs 128 bytes, so 8,000 texts need 1.0 MB.
    assert (tmp_path / "n.npz").stat().st_size < 128 * different + 2000
    np.testing.assert_array_equal(
        near_duplicates.load(tmp_path / "n.npz"), near_duplicates.signatures(dict.fromkeys(texts))
    )
    first = (tmp_path / "n.npz").read_bytes()
    near_duplicates.save(tmp_path / "n.npz", texts)
    assert (tmp_path / "n.npz").read_bytes() == first


def test_incompatible_and_damaged_signatures_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "n.npz"
    np.savez(path, signatures=np.zeros((3, 128), np.uint8), probe=np.zeros((1, 128), np.uint8))
    with pytest.raises(BundleError, match=facts(path)):
        near_duplicates.load(path)
    np.savez(path, signatures=np.array([{"a": 1}], object), probe=np.zeros((1, 128), np.uint8))
    with pytest.raises(BundleError, match=facts(path)):
        near_duplicates.load(path)
    np.savez_compressed(path, signatures=np.zeros((300, 128), np.uint8), probe=np.zeros((1, 128), np.uint8))
    whole = path.read_bytes()
    flipped = [whole[:i] + bytes([whole[i] ^ 255]) + whole[i + 1 :] for i in range(50, 120)]
    for changed in flipped:  # Some of these bytes, such as times, do not matter.
        path.write_bytes(changed)
        with contextlib.suppress(BundleError):
            near_duplicates.load(path)
    np.savez(path, signatures=np.zeros((3, 128), np.uint8))
    for broken in (b"nothing", b"", path.read_bytes()[:100]):
        path.write_bytes(broken)
        with pytest.raises(BundleError, match=facts(path)):
            near_duplicates.load(path)


def test_a_missing_package_is_reported_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "available", lambda: False)
    with pytest.raises(MissingExtraError, match=r"\.\[analysis\]"):
        near_duplicates.signatures(["a text"])
