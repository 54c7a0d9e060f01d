import pandas as pd
import pytest

from kerasrec import zoo
from kerasrec.data import Impressions
from kerasrec.tuning import HyperRecommender, Job


@pytest.fixture(scope="module")
def shown():
    """Impressions, for click models."""
    frame = pd.DataFrame({"device": ["phone", "tablet"] * 2, "clicked": [1, 0, 1, 1]})
    return Impressions.from_frame(frame, "clicked", {"device": "category"})


@pytest.mark.parametrize("name", Job.names())
def test_the_jobs_that_come_along_are_searches(name, ratings, shown):
    job = Job.load(name)
    assert job.about.endswith(".") and job.data.endswith(".csv")
    space = {key: job.search.get(key) for key in ("fixed", "space")}
    clicks = zoo.card(job.model).task == "click"
    assert (job.label is not None) == clicks
    models = HyperRecommender(job.model, shown if clicks else ratings[0], **space)
    assert models.card is zoo.card(job.model) and models.space


def test_every_model_of_clicks_has_a_job():
    clicks = {name for name in zoo.names() if zoo.card(name).task == "click"}
    assert clicks <= {Job.load(name).model for name in Job.names()}


def test_losses_of_models_of_sequences_are_searched(ratings):
    models = HyperRecommender("sasrec", ratings[0], space={"loss": ["ce", "sampled"]})
    assert models.space["loss"].choices == ("ce", "sampled")
    with pytest.raises(ValueError, match="Received: .*'cee'"):
        HyperRecommender("sasrec", ratings[0], space={"loss": ["cee"]})


def test_a_job_of_one_s_own(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text(
        'about = "x."\ndata = "x.csv"\nmodel = "ease"\nobjective = "val_ndcg@5"\n[search]\nseed = 3\n'
    )
    job = Job.load(path)
    assert (job.model, job.objective, job.search, job.test_size) == ("ease", "val_ndcg@5", {"seed": 3}, 0.1)


@pytest.mark.parametrize(
    "text, message",
    [
        ('model = "ease"', r"A job must have 'about'. Received: .*mine.toml', without it\."),
        (
            'modle = "ease"',
            r"must have the keys about, .* Did you mean 'model'\? Received: 'modle' in ",
        ),
        ("model =", r"A job must be TOML. Received: .*mine.toml'"),
    ],
)
def test_files_that_are_none(tmp_path, text, message):
    path = tmp_path / "mine.toml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        Job.load(path)


def test_names_that_are_none(tmp_path):
    with pytest.raises(ValueError, match=r"A job must be a file .* mean 'hybrid'\? Received: 'hybird'"):
        Job.load("hybird")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*none.toml'\."):
        Job.load(tmp_path / "none.toml")


@pytest.mark.parametrize(
    "content", ["a = " + "[" * 5000 + "]" * 5000, "a = " + "9" * 5000], ids=["brackets", "digits"]
)
def test_toml_without_measure(tmp_path, content):
    (tmp_path / "x.toml").write_text(content)
    with pytest.raises(ValueError, match=r"A job must be TOML\. Received: .*x\.toml"):
        Job.load(tmp_path / "x.toml")
