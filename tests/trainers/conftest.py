import pytest
from trainers import problem

XLA = [pytest.param(True, id="xla", marks=pytest.mark.slow)] if problem.backend == "tensorflow" else []


@pytest.fixture(params=[pytest.param(False, id=""), *XLA])
def training_steps(request, monkeypatch):
    """How a `kerasrec.Model` runs its steps on TensorFlow: without and with XLA."""
    monkeypatch.setattr(problem, "jit_compile", request.param)
