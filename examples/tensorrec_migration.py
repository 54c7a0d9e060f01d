"""A program written for TensorRec, with one import changed: matrix factorisation and a hybrid.

    python examples/tensorrec_migration.py

It runs in seconds on synthetic ratings, on any backend.
"""

import scipy.sparse

import kerasrec
import kerasrec.compat as tensorrec  # was: import tensorrec

dataset = kerasrec.datasets.synthetic(n_users=200, n_items=150, n_interactions=6000, seed=0)
train, test = kerasrec.data.splits.random_split(dataset.interactions, test_size=0.2, seed=0)
liked, liked_later = train.at_least(4.0), test.at_least(4.0)
genres = kerasrec.data.Features.multilabel(dataset.items["genres"].reindex(train.item_ids))

interactions = liked.to_csr()
users = scipy.sparse.identity(train.n_users)
items = scipy.sparse.identity(train.n_items)
items_with_genres = scipy.sparse.hstack([items, genres.matrix])


def report(name, model, item_features):
    ranks = model.predict_rank(users, item_features)
    recall = tensorrec.eval.recall_at_k(ranks, liked_later.to_csr(), k=10).mean()
    print(f"{name:22} recall@10 {recall:.3f}")


ratings = tensorrec.TensorRec(n_components=5, seed=0)
ratings.fit(train.to_csr(), users, items, epochs=50)
report("matrix factorisation", ratings, items)

ranking = tensorrec.TensorRec(n_components=5, loss_graph=tensorrec.loss_graphs.WMRBLossGraph(), seed=0)
ranking.fit(interactions, users, items, epochs=50, n_sampled_items=15)
report("the same with WMRB", ranking, items)

hybrid = tensorrec.TensorRec(n_components=5, loss_graph=tensorrec.loss_graphs.WMRBLossGraph(), seed=0)
hybrid.fit(interactions, users, items_with_genres, epochs=50, n_sampled_items=15)
report("hybrid with WMRB", hybrid, items_with_genres)

first = hybrid.predict_similar_items(items_with_genres, item_ids=[0], n_similar=4)[0]
print("Like", dataset.items["title"].loc[train.item_ids[0]], "are:")
for item, score in first[1:]:
    print(f"  {score:5.2f}  {dataset.items['title'].loc[train.item_ids[item]]}")
