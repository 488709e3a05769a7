from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from communique.metrics.multiple_testing import holm


# `multipletests` runs the garbage collector on every call, which takes a second in a process with many modules.
@settings(max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p: list[float]) -> None:
    multipletests = pytest.importorskip("statsmodels.stats.multitest").multipletests
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1])


def test_a_missing_p_value_is_not_a_member_of_the_family() -> None:
    adjusted = holm([float("nan"), 0.03, 0.01])
    assert np.isnan(adjusted[0])
    assert adjusted[1:] == holm([0.03, 0.01]) == [0.03, 0.02]
    assert holm([]) == []
