"""Public data sets and a synthetic one, each loaded as a `Dataset`.

A loader reads the first of these that exists: the folder or zip file given as `path`; the data set's folder
or zip file in the folder named by the environment variable `KERASREC_DATA`; a download from the publisher,
which is kept in Keras's cache. The folder `KERASREC_DATA` looks like this; each entry is optional:

    movielens-latest-small/      a folder with kerasrec's name,
    movielens-latest-small-2018/ the same with a year (the latest is used),
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
