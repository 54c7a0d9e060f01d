"""Fast training in `model.fit`: several steps in one compiled call, and updates of the rows read alone."""

from kerasrec.trainers.model import Model as Model
from kerasrec.trainers.row_sharded import RowSharded as RowSharded
from kerasrec.trainers.stop_on_nan import StopOnNaN as StopOnNaN
