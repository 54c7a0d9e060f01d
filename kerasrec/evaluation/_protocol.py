"""The protocol of an evaluation in words."""

import zlib

import numpy as np

from kerasrec.data import Interactions
from kerasrec.data._access import meaning_of


def said_users(users: np.ndarray, ranked: bool) -> str:
    """The evaluated users in words, for the protocol.

    Args:
        users: codes of the users, ascending.
        ranked: bool, whether lists were measured.
    """
    what = "with relevant test items" if ranked else "with test interactions"
    return f"{len(users):,} {what}, {fingerprint(users)}"


def said_relevant(test: Interactions) -> str:
    """Which test interactions are relevant, in words."""
    least = meaning_of(test).least
    return "test value above 0" if least is None else f"test value of at least {least:g}"


def fingerprint(*columns: np.ndarray) -> str:
    """A fingerprint of some columns."""
    check = 0
    for column in columns:
        check = zlib.crc32(np.ascontiguousarray(column).data, check)
    return f"{check:08x}"
