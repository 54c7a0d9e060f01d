"""Films for user 432 of MovieLens latest-small: liked, held out and recommended.

    python examples/recommend_movies.py [FOLDER] [USER]

Likes are ratings of at least 4. A random fifth of them is held out. FOLDER has `ratings.csv` and
`movies.csv`; without it the data set is downloaded.
"""

import sys

import kerasrec
from kerasrec.data import Features, splits


def main(folder: str | None = None, user: int = 432) -> None:
    dataset = kerasrec.datasets.movielens("latest-small", path=folder)
    likes, films = dataset.interactions.at_least(4), dataset.items
    train, test = splits.random_split(likes, test_size=0.2, seed=42)
    genres = films["genres"].reindex(likes.item_ids).fillna("")
    recommender = kerasrec.Recommender.train(
        train,
        "hybrid",
        item_features=Features.indicator(likes.item_ids) + Features.multilabel(genres),
        item_metadata=films[["title", "genres"]],
        verbose=2,
    )
    print(kerasrec.evaluation.evaluate(recommender, test, train, metrics=["recall", "ndcg", "hit_rate"]))
    for title, part in (("Liked", train), ("Held out", test)):
        ids = part.item_ids[part.items[part.users == likes.user_codes([user])[0]]]
        print(f"\n{title} by user {user}:")
        print("\n".join(f"  {name}" for name in films["title"].reindex(ids)))
    recommended = recommender.recommend(user, k=20)
    wanted = test.take(test.users == likes.user_codes([user])[0])
    recommended["held out"] = (
        recommended["item"].isin(wanted.item_ids[wanted.items]).map({True: "yes", False: ""})
    )
    print(f"\nRecommended to user {user}:")
    print(recommended[["rank", "title", "genres", "score", "held out"]].to_string(index=False))
    print("\nWhy the first of them:")
    print(recommender.explain(user, recommended["item"][0]))
    print("\nFor somebody who likes Toy Story, Aladdin and The Lion King:")
    print(recommender.recommend_for_history([1, 588, 364], k=5)[["rank", "title"]].to_string(index=False))


if __name__ == "__main__":
    arguments = sys.argv[1:]
    main(*arguments[:1], *map(int, arguments[1:2]))
