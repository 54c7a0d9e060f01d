import numpy as np
import pandas as pd
import pytest

from kerasrec import Recommender


def test_an_embedding_projector_folder(factorised, data, tmp_path):
    factorised.project(tmp_path / "map")
    vectors = np.loadtxt(tmp_path / "map" / "items.tsv", delimiter="\t")
    np.testing.assert_allclose(vectors, factorised.item_vectors().to_numpy(), rtol=1e-4, atol=1e-6)
    labels = pd.read_csv(tmp_path / "map" / "items_metadata.tsv", sep="\t")
    assert labels["item"].tolist() == data.item_ids.tolist()
    assert labels["title"].tolist()[3] == "Film 3"
    assert labels["n"].tolist() == np.bincount(data.items, minlength=20).tolist()
    assert len(pd.read_csv(tmp_path / "map" / "users_metadata.tsv", sep="\t")) == 12
    config = (tmp_path / "map" / "projector_config.pbtxt").read_text()
    for name in ("items", "users"):
        assert f'tensor_path: "{name}.tsv"' in config
        assert f'metadata_path: "{name}_metadata.tsv"' in config


def test_labels_cannot_break_the_table(data, films, tmp_path):
    films = films.assign(title="tab\there and\nline")
    recommender = Recommender.train(data, "implicit_als", n_components=2, item_metadata=films)
    recommender.project(tmp_path / "map")
    assert len((tmp_path / "map" / "items_metadata.tsv").read_text().splitlines()) == 21


def test_a_map_of_items(factorised, tmp_path):
    figure = factorised.plot_items(tmp_path / "items.png", n_items=8)
    assert (tmp_path / "items.png").read_bytes()[:4] == b"\x89PNG"
    texts = [text.get_text() for text in figure.axes[0].texts]
    assert len(texts) == 8
    assert all(text.startswith("Film ") for text in texts)
    points = figure.axes[0].collections[0].get_offsets()
    # Distances in two directions are never above those in all of them, and these hold most of them.
    assert np.linalg.norm(points, axis=1).min() > 0
    assert factorised.plot_items(label="genres", n_items=3).axes[0].texts[0].get_text() in set(
        factorised.item_metadata["genres"]
    )


def test_bad_input(factorised, data, tmp_path):
    popular = Recommender.train(data, "popularity")
    with pytest.raises(ValueError, match=r"vectors of two or more components.*'popularity', which does not"):
        popular.project(tmp_path / "map")
    with pytest.raises(ValueError, match=r"`label` needs `item_metadata`"):
        popular.plot_items(label="title")
    with pytest.raises(ValueError, match=r"`label` must be one of title, genres\. Received: label='year'"):
        factorised.plot_items(label="year")
    with pytest.raises(FileNotFoundError, match=r"make .*nowhere first"):
        factorised.project(tmp_path / "nowhere" / "map")
    with pytest.raises(FileNotFoundError, match=r"make .*nowhere first"):
        factorised.plot_items(tmp_path / "nowhere" / "map.png")
    assert not list(tmp_path.iterdir())
