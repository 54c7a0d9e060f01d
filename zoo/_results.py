"""What `tests/reproductions` measured of several models, as their cards tell it."""

_MOVIELENS_1M = """\
MovieLens 1M, implicit (720,152 interactions to train on, 200,041 held out); the 6,034 users with held-out
items; the whole catalogue ranked without what a user had; equal scores in pseudo-random order, seed 0:
                  recall@10  ndcg@10
"""


def on_movielens_1m(default: tuple[float, float], tuned: tuple[float, float] | None = None) -> str:
    """The table of `tests/reproductions/test_movielens_1m_implicit.py`, a line for each kind of settings.

    Args:
        default: recall@10 and ndcg@10 with default settings.
        tuned: the same with the card's tuned settings, chosen on training rows. Defaults to `None`.
    """
    lines = {"default settings": default} | ({} if tuned is None else {"tuned settings": tuned})
    rows = [f"{name:16}  {recall:9.4f}  {ndcg:7.4f}" for name, (recall, ndcg) in lines.items()]
    return _MOVIELENS_1M + "\n".join(rows)
