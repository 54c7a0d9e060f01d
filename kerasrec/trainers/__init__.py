"""What makes `model.fit` fast: several steps in one compiled call, updates of the batch's rows alone."""

from kerasrec.trainers.model import Model as Model
from kerasrec.trainers.row_sharded import RowSharded as RowSharded
from kerasrec.trainers.stop_on_nan import StopOnNaN as StopOnNaN
