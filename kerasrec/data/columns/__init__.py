"""Kinds of columns for a model: categories, hashed categories, labels, numbers and times.

A kind is declared (`Category()`), fitted to the column of a training table, and then encodes any other table.
If a column or a required entry is missing, `default` is used, if one was given.
"""

from kerasrec.data.columns._column import Column as Column
from kerasrec.data.columns._kinds import KINDS as KINDS
from kerasrec.data.columns._kinds import from_dict as from_dict
from kerasrec.data.columns._kinds import get as get
from kerasrec.data.columns.category import Category as Category
from kerasrec.data.columns.hashed import Hashed as Hashed
from kerasrec.data.columns.labels import NO_LABEL as NO_LABEL
from kerasrec.data.columns.labels import Labels as Labels
from kerasrec.data.columns.number import Number as Number
from kerasrec.data.columns.time import Time as Time
