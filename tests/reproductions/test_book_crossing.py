"""`examples/book_crossing_cold_users.py`: which representations win for known readers, which for new ones.

In full, the four configurations. With `KERASREC_REPRODUCTION=quick`, as in CI, two of them and a quarter of
the epochs: far enough for what is broken to show.
"""


import pytest

import kerasrec

pytestmark = pytest.mark.reproduction

IN, NEW = 0, 6  # columns


@pytest.fixture(scope="module")
def protocol(example, shared_data):
    module = example("book_crossing_cold_users")
    problem = module.load(shared_data / "book-crossing")
    n_likes = len(problem.train) + len(problem.held) + len(problem.new)
    assert (n_likes, problem.train.n_users, problem.train.n_items) == (133_560, 36_963, 9_971)
    assert not set(problem.new.users) & set(problem.train.users)
    return module, problem


def row_of(protocol, title, epochs=None):
    module, problem = protocol
    if title in module.CONFIGURATIONS:
        model = module.trained(problem, *module.CONFIGURATIONS[title], epochs or module.EPOCHS)
    else:
        model = kerasrec.zoo.create(title, problem.train)
    return module.figures(model, problem)


def test_a_quarter_of_the_epochs(protocol, quick):
    if not quick:
        pytest.skip("the whole table is measured")
    module, _ = protocol
    titles = ("popularity", "linear, linear", "deep, linear")
    table = {title: row_of(protocol, title, module.EPOCHS // 4) for title in titles}
    print("", module.HEAD, *(module.row(*item) for item in table.items()), sep="\n")
    for title in titles[1:]:
        assert table[title][NEW] > 0.9 * table["popularity"][NEW]
    assert table["linear, linear"][IN] > table["popularity"][IN]
