"""One case for every public loss."""

from contracts.check_loss import LossCase

LOSSES: list[LossCase] = []
