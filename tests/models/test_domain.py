"""Out-of-domain scores and usual lengths, on vectors whose distances are known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from helpers import facts
from numpy.typing import NDArray

from communique import BundleError
from communique.models.domain import DIMENSIONS, Domain
from communique.models.limits import DomainInfo, UsualLength

WIDTH = 40


def vectors(n: int, seed: int = 0) -> NDArray[Any]:
    """Draw vectors that vary strongly in three directions and a little in all others, around a mean that is not 0."""
    draw = np.random.default_rng(seed)
    scale = np.full(WIDTH, 0.1)
    scale[:3] = (5, 3, 2)
    return np.asarray(7 + draw.normal(size=(n, WIDTH)) * scale)


@pytest.fixture(scope="module")
def domain() -> Domain:
    fitted = Domain.fit(vectors(2000))
    return fitted.calibrate(fitted.distances(vectors(5000, seed=1)))


def info(domain: Domain) -> DomainInfo:
    return DomainInfo(
        width=WIDTH, dimensions=len(domain.components), sentences=2000, calibrated_on=5000, calibrated_by="held-out"
    )


def test_scores_are_percentiles_of_held_out_sentences(domain: Domain) -> None:
    scores = domain.scores(vectors(4000, seed=2))
    assert ((scores >= 0) & (scores <= 1)).all()
    for level in (0.5, 0.9, 0.99):
        assert (scores > level).mean() == pytest.approx(1 - level, abs=0.02)


def test_a_small_step_in_an_unusual_direction_is_farther_than_a_large_one_in_a_usual_direction(domain: Domain) -> None:
    usual, unusual = np.full((2, WIDTH), 7.0)
    usual[0] += 5.0
    unusual[20] += 2.0
    near, far = domain.scores(np.stack([usual, unusual]))
    assert near < 0.1
    assert far == 1.0


def test_distances_are_those_of_the_probabilistic_model() -> None:
    fitted = Domain.fit(vectors(2000))
    basis = fitted.components
    covariance = basis.T * (fitted.variances - fitted.noise) @ basis + fitted.noise * np.eye(WIDTH)
    some = vectors(20, seed=3)
    expected = [(v - fitted.mean) @ np.linalg.solve(covariance, v - fitted.mean) for v in some]
    np.testing.assert_allclose(fitted.distances(some), expected)


@pytest.mark.parametrize("n", [1, 2, 60, 2000])
def test_few_sentences_have_few_components_and_finite_distances(n: int) -> None:
    fitted = Domain.fit(vectors(n))
    assert len(fitted.components) == max(1, min(DIMENSIONS, WIDTH - 1, n // 5))
    assert np.isfinite(fitted.distances(vectors(10, seed=4))).all()


def test_the_description_is_small_and_survives_saving(domain: Domain, tmp_path: Path) -> None:
    domain.save(tmp_path)
    assert (tmp_path / "domain.npz").stat().st_size < 500_000
    loaded = Domain.load(tmp_path, info(domain))
    some = vectors(50, seed=5)
    np.testing.assert_allclose(loaded.scores(some), domain.scores(some), atol=1e-3)


def test_the_description_of_a_wide_encoder_is_small_too(tmp_path: Path) -> None:
    wide = np.random.default_rng(0).normal(size=(2000, 1024)).astype(np.float32)
    fitted = Domain.fit(wide)
    fitted.calibrate(fitted.distances(wide)).save(tmp_path)
    assert (tmp_path / "domain.npz").stat().st_size < 500_000


def test_a_missing_damaged_or_different_description_is_refused(domain: Domain, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=facts("domain.npz", "Copy the model folder again")):
        Domain.load(tmp_path, info(domain))
    domain.save(tmp_path)
    with pytest.raises(BundleError, match=facts("domain.npz", "shapes", "'limits' in bundle.json")):
        Domain.load(tmp_path, info(domain).model_copy(update={"width": 41}))
    content = (tmp_path / "domain.npz").read_bytes()
    (tmp_path / "domain.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(BundleError, match=facts("domain.npz", "Copy the model folder again")):
        Domain.load(tmp_path, info(domain))
    (tmp_path / "domain.npz").write_bytes(b"not an archive")
    with pytest.raises(BundleError, match=facts("domain.npz", "not an archive of arrays")) as refused:
        Domain.load(tmp_path, info(domain))
    assert "unsafely" not in str(refused.value)


def test_usual_lengths_leave_one_percent_at_each_end() -> None:
    usual = UsualLength.of(np.arange(1, 1001))
    assert (usual.low, usual.high) == (11, 990)
    assert usual.unusual(np.array([1, 10, 11, 500, 990, 991])).tolist() == [-1, -1, 0, 0, 0, 1]
    # Truncated texts all have the same length, which is usual if one training sentence in a hundred is truncated.
    assert UsualLength.of(np.array([5] * 80 + [160] * 20)).unusual(np.array([160])).tolist() == [0]
