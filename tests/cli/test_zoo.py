import pytest

import kerasrec


def test_list(run, run_json):
    listed = run_json("zoo", "list")["models"]
    assert [model["name"] for model in listed] == kerasrec.zoo.names()
    done = run("zoo", "list")
    for name in kerasrec.zoo.names():
        assert name in done.out


@pytest.mark.parametrize("name", kerasrec.zoo.names())
def test_show(run, run_json, name):
    card = kerasrec.zoo.card(name)
    shown = run_json("zoo", "show", name)
    assert shown["factory"] == card.factory.__name__
    assert shown["summary"] == card.summary
    assert [h["name"] for h in shown["hyperparameters"]] == [h.name for h in card.hyperparameters]
    done = run("zoo", "show", card.factory.__name__)
    assert done.out.startswith(f"{name} ({card.factory.__name__})")
    for hyperparameter in card.hyperparameters:
        assert hyperparameter.name in done.out


def test_a_model_that_is_not_there(fails):
    assert "`name` must be one of" in fails("zoo", "show", "nothing")
