"""Little memory: a training that does not fit is refused with a sentence, and none ends with an abort."""

import pytest

from faults import works
from faults.children import outcomes

MB = 1 << 20
FEW = [(1, {}), (1024, {}), (1 << 16, {})]
ALL = [*FEW, *((more, {}) for more in (64, 256, 512, 2048, 4096, 8192)), (4096, {"n_components": 1_000_000})]


@pytest.mark.parametrize(
    "cases",
    [pytest.param(FEW, marks=pytest.mark.slow), pytest.param(ALL, marks=pytest.mark.faults)],
    ids=["few", "all"],
)
@pytest.mark.parametrize("name", ["recommender_v2", "ease"])
def test_training_within_a_limit(name, cases):
    found = []
    for more, settings in cases:
        if settings and name == "ease":
            continue
        (said,) = outcomes(works.within, name, more * MB, settings)
        refused = "There must be memory for" in said and "left for this process." in said and "\n" not in said
        assert refused or said == "trained", said
        found.append("refused" if refused else said)
        if settings:
            assert refused
    print(name, found)
    assert found[0] == "refused" and found[2] == "trained"
