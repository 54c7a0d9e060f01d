"""Results that several cards share; `tests/reproductions` reproduces them."""

_MOVIELENS_1M = """\
MovieLens 1M, implicit: 720,152 training interactions, 200,041 held out; 6,034 users with held-out items. The
whole catalogue is ranked without the training items; ties are broken at random (seed 0).
                  recall@10  ndcg@10
"""

# The six models of `examples/compare_models.py`, for the card of each.
COMPARED = """\
MovieLens latest-small (September 2018), likes of at least 4, random 80/20 splits, on TensorFlow
(examples/compare_models.py). 595 to 597 users have held-out likes. The whole catalogue is ranked without the
training likes; ties are broken at random (seed 0). The hybrid (with genres) and matrix factorisation use
their recipes, the baselines their default settings. Figures are means of three splits. The 95 % interval of
ndcg@10 and p (against the best; paired randomisation test over users, Holm's correction) are from the first
split. The hybrid is best, or not significantly worse than the best, in all three splits, EASE in two.
                     ndcg@10  recall@10  coverage@10          95 %       p
hybrid                0.2674     0.1935       0.0426  0.2577, 0.2951    best
matrix_factorization  0.2629     0.1919       0.0413  0.2560, 0.2924  0.9013
ease                  0.2597     0.1849       0.0307  0.2531, 0.2901  0.9013
implicit_als          0.2334     0.1828       0.0594  0.2218, 0.2560  0.0005
item_knn              0.2262     0.1616       0.0745  0.2207, 0.2563  0.0005
popularity            0.1422     0.0910       0.0041  0.1350, 0.1632  0.0005"""

# Every model that is trained by its recipe on interactions alone, for the card of each.
BY_RECIPE = """\
MovieLens latest-small (September 2018), `Recommender.train` with the model's name and default arguments, on
TensorFlow; likes of at least 4, one random 80/20 split, seed 0. The whole catalogue is ranked without the
training likes. The content model has genres only. It cannot tell films of the same genres apart, and warns
that it is worse than popularity.
                       ndcg@10  recall@10  epochs
factorization_machine   0.2762     0.2009      29
matrix_factorization    0.2736     0.1995      25
two_tower               0.2552     0.1852      25
mixture_of_tastes       0.2377     0.1748      37
lightgcn                0.2350     0.1677
deep_repr               0.1866     0.1457      36
neumf                   0.1660     0.1243       4
popularity              0.1485
content                 0.0172     0.0095       9"""

# The same for the models that predict ratings.
RATED_BY_RECIPE = """\
MovieLens latest-small (September 2018), `Recommender.train` with the model's name and default arguments, on
TensorFlow; root mean squared error on one random 80/20 split of all ratings, seed 0. RecommenderV1 has no
biases, and warns that it is worse than the mean.
                   rmse  epochs
recommender_v2   0.8476       6
recommender_net  0.8771       3
global_bias      0.8776
the mean         1.0514
recommender_v1   1.1173      12"""


def on_movielens_1m(default: tuple[float, float], tuned: tuple[float, float] | None = None) -> str:
    """The table of `tests/reproductions/test_movielens_1m_implicit.py`, one line per kind of settings.

    Args:
        default: recall@10 and ndcg@10 with default settings.
        tuned: the same with the card's tuned settings, chosen on training rows. Defaults to `None`.
    """
    lines = {"default settings": default} | ({} if tuned is None else {"tuned settings": tuned})
    rows = [f"{name:16}  {recall:9.4f}  {ndcg:7.4f}" for name, (recall, ndcg) in lines.items()]
    return _MOVIELENS_1M + "\n".join(rows)


def on_frappe(
    settings: str,
    auc: tuple[float, float, float],
    log_loss: float,
    published: float,
    without_cost: tuple[float, float] | None = None,
) -> str:
    """The results of a click model on Frappe.

    Args:
        settings: in words, where they differ from the recipe.
        auc: AUC on the test rows: the mean of five seeds, the lowest and the highest.
        log_loss: mean log loss.
        published: the AUC reported by BARS.
        without_cost: AUC and log loss of one model that does not read `cost`. Defaults to `None`: not
            measured.
    """
    mean, low, high = auc
    rows = [f"all columns   {mean:.4f}  {low:.4f}, {high:.4f}    {log_loss:.4f}"]
    if without_cost is not None:
        rows.append("without cost  {:.4f}                    {:.4f}".format(*without_cost))
    table = "\n".join(rows)
    return f"""\
Frappe, ten categorical columns: 202,027 training rows, 57,722 for early stopping, 28,860 test rows; a third
of the rows are clicks. Mean, lowest and highest AUC of seeds 0 to 4, on JAX (Keras 3.15.1, a GPU); without
`cost` one seed, on TensorFlow. Settings:
{settings}.
The published scheme samples new items for the negatives. `cost` therefore leaks the label: in 12.6 % of the
negatives it contradicts the item. Published: {published:.4f}.
                 auc     of the seeds  log_loss
{table}"""


# Click models compared with a boosted tree, for the card of each of them.
CLICKS_ON_MOVIELENS_1M = """

MovieLens 1M as clicks: 4 and 5 stars against 1 and 2 stars (739,008 rows, 78 % clicks, random 8:1:1 split).
Columns: user, film, gender, age, occupation, zip code, genres and year. One seed, batches of 4,096, at most
12 epochs. Networks have vectors of 16, `hidden=(200, 200)`, `dropout=0.3` and `l2=0.01`; autoint has one
block, dcn two crosses. The factorisation machine has vectors of 10. The networks except dcn ran on JAX, the
other models on TensorFlow. The tree is scikit-learn's HistGradientBoostingClassifier, with users, films and
zip codes target-encoded by their click rates.
                                auc  log_loss
wide_and_deep                0.9002    0.3102
dnn                          0.8998    0.3107
deepfm                       0.8997    0.3107
click_factorization_machine  0.8994    0.3173
autoint                      0.8901    0.3238
dcn                          0.8900    0.3236
dlrm                         0.8807    0.3346
logistic_regression          0.8719    0.3459
boosted tree                 0.8698    0.3469"""
