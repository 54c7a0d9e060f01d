import numpy as np
import pytest
from zoo_models import of_counts


@pytest.fixture
def counts():
    """Counts of 30 users and 20 items with taste, two users and an item without any."""
    generator = np.random.default_rng(0)
    taste = generator.gamma(1.0, size=(30, 3)) @ generator.gamma(1.0, size=(3, 20))
    x = generator.poisson(taste / 4).astype(float)
    x[[4, 9]] = 0
    x[:, 7] = 0
    return x


@pytest.fixture
def interactions(counts):
    return of_counts(counts)
