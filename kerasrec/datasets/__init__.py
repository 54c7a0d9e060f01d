"""Public data sets and a synthetic one, read into one kind of object.

A loader reads, in this order: the folder or zip given as `path`; the data set's own folder or zip in the
folder that the environment variable `KERASREC_DATA` names; a download from the publisher, kept in Keras's
cache. The folder that `KERASREC_DATA` names looks like this, each entry optional:

    movielens-latest-small/      a folder with kerasrec's name,
    movielens-latest-small-2018/ the same with a year (the latest counts),
    ml-1m/                       a folder with the publisher's name,
    ml-25m.zip                   or the publisher's zip as it was downloaded
    book-crossing/               or BX-CSV-Dump/ or BX-CSV-Dump.zip
    hetrec2011-lastfm-2k.zip     or lastfm/ or hetrec2011-lastfm-2k/
"""

from kerasrec.datasets.book_crossing import book_crossing as book_crossing
from kerasrec.datasets.dataset import Dataset as Dataset
from kerasrec.datasets.lastfm import lastfm as lastfm
from kerasrec.datasets.movielens import movielens as movielens
from kerasrec.datasets.registry import load as load
from kerasrec.datasets.registry import names as names
from kerasrec.datasets.synthetic import synthetic as synthetic
