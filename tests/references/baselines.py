"""The baselines in plain NumPy, on dense users-by-items arrays `x`."""

import numpy as np


def inverse_frequency(x):
    return np.log(1 + len(x) / np.maximum((x > 0).sum(axis=0), 1))


def tfidf(x):
    return np.sqrt(x) * inverse_frequency(x)


def bm25(x, k1=1.2, b=0.75):
    """Robertson and Zaragoza, 2009, with rows as documents."""
    lengths = x.sum(axis=1, keepdims=True)
    mean = lengths[lengths > 0].mean()
    return x * (k1 + 1) / (x + k1 * (1 - b + b * lengths / mean)) * inverse_frequency(x)


def similarities(rows, n_neighbors, shrinkage):
    """Cosines of rows with shrinkage, each row's largest kept, the first of equal ones."""
    products = rows @ rows.T
    lengths = np.linalg.norm(rows, axis=1)
    scale = np.outer(lengths, lengths) + shrinkage
    found = np.divide(products, scale, where=scale > 0, out=np.zeros_like(products))
    np.fill_diagonal(found, 0)
    kept = np.zeros_like(found)
    for row in range(len(found)):
        near = np.argsort(-found[row].astype(np.float32), kind="stable")[:n_neighbors]
        kept[row, near] = found[row, near]
    return kept


def item_knn(x, n_neighbors, shrinkage=0.0, weigh=lambda rows: rows):
    return x @ similarities(weigh(x.T), n_neighbors, shrinkage).T


def user_knn(x, n_neighbors, shrinkage=0.0, weigh=lambda rows: rows):
    return similarities(weigh(x), n_neighbors, shrinkage) @ x


def ease(x, ridge):
    """Steck, 2019, algorithm 1."""
    p = np.linalg.inv(x.T @ x + ridge * np.eye(x.shape[1]))
    b = p / -np.diag(p)
    np.fill_diagonal(b, 0)
    return x @ b


def pure_svd(x, n_components):
    u, s, v = np.linalg.svd(x, full_matrices=False)
    return (u[:, :n_components] * s[:n_components]) @ v[:n_components]


def gf_cf(x, n_components, alpha):
    """Shen et al., 2021, eq. 13 to 15, with the singular vectors of a whole decomposition."""
    by_user, by_item = x.sum(axis=1), x.sum(axis=0)
    scale = np.sqrt(np.outer(by_user, by_item))
    n = np.divide(x, scale, where=scale > 0, out=np.zeros_like(x))
    v = np.linalg.svd(n, full_matrices=False)[2][:n_components].T
    root = np.sqrt(by_item)
    inverse = np.divide(1, root, where=root > 0, out=np.zeros_like(root))
    return x @ n.T @ n + alpha * (x * inverse) @ v @ v.T * root


def als_loss(x, users, items, alpha, l2):
    """Hu, Koren and Volinsky, 2008, eq. 3."""
    error = (1 + alpha * x) * ((x > 0) - users @ items.T) ** 2
    return error.sum() + l2 * ((users**2).sum() + (items**2).sum())


def als_side(x, items, alpha, l2):
    """Hu, Koren and Volinsky, 2008, eq. 4, user by user."""
    users = np.zeros((len(x), items.shape[1]))
    for user, row in enumerate(x):
        confidence = np.diag(1 + alpha * row)
        system = items.T @ confidence @ items + l2 * np.eye(items.shape[1])
        users[user] = np.linalg.solve(system, items.T @ confidence @ (row > 0))
    return users


def mix(x):
    """The integer hash of HashScore, in Python's integers."""
    for _ in range(2):
        x = ((x >> 16) ^ x) * 0x45D9F3B % 2**32
    return (x >> 16) ^ x


def random_score(user, item, seed):
    return mix((mix((item + seed) % 2**32) + user) % 2**32) % 2**24 / 2**24
