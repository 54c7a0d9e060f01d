import keras

from kerasrec.layers import DotScore, FeatureEmbedding, RatingScale
from kerasrec.trainers import Model


def RecommenderV2(
    n_users: int,
    n_items: int,
    n_components: int = 50,
    min_rating: float = 0.5,
    max_rating: float = 5.0,
) -> keras.Model:
    """stub"""
    user = keras.Input((1,), name="user", dtype="int32")
    item = keras.Input((None,), name="item", dtype="int32")

    def table(n: int, size: int, name: str) -> FeatureEmbedding:
        return FeatureEmbedding(n, size, embeddings_regularizer=keras.regularizers.L2(1e-6), name=name)

    score = DotScore(name="score")(
        table(n_users, n_components, "user_embedding")(user),
        table(n_items, n_components, "item_embedding")(item),
        user_bias=table(n_users, 1, "user_bias")(user),
        item_bias=table(n_items, 1, "item_bias")(item),
    )
    rating = RatingScale(min_rating, max_rating, name="rating")(score)
    model = Model({"user": user, "item": item}, rating, name="recommender_v2")
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss="mean_squared_error")
    return model
