"""Lists and evaluation on local clusters of Ray and Spark, also when a worker dies.

An engine that is not installed is skipped, or fails if `KERASREC_ENGINES`, such as `ray,spark`, names it.
"""

import contextlib
import importlib.util
import os
import pickle
import re
import shutil
import sys
import tempfile

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import kerasrec
from kerasrec.data import Interactions, splits
from kerasrec.evaluation import evaluate, merge

pytestmark = [
    pytest.mark.engines,
    # What the engines warn of themselves.
    pytest.mark.filterwarnings("ignore:::ray"),
    pytest.mark.filterwarnings("ignore:::pyspark"),
]
N_USERS = 200
SCHEMA = "user string, rank long, item long, score float"


@contextlib.contextmanager
def ray(shared):
    """What applies a callable to the batches of a folder of users, on Ray Data, and writes a folder."""
    import ray

    def run(users, call, out, schema):
        rows = ray.data.read_parquet(str(users), override_num_blocks=4)
        rows.map_batches(call, batch_size=20, batch_format="pyarrow").write_parquet(str(out))

    # A short name: that of a socket has at most 107 bytes.
    with tempfile.TemporaryDirectory(prefix="ray", ignore_cleanup_errors=True) as folder:
        ray.init(
            num_cpus=2,
            include_dashboard=False,
            object_store_memory=100_000_000,
            log_to_driver=False,
            _temp_dir=folder,
        )
        try:
            yield run
        finally:
            ray.shutdown()


@contextlib.contextmanager
def spark(shared):
    """The same on Spark."""
    from pyspark.sql import SparkSession

    if shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        pytest.fail("Spark needs Java 17 or newer (Debian: `default-jre-headless`). Received: no `java`.")
    session = (
        SparkSession.builder.master("local[2, 4]")  # a task is tried four times, as on a cluster
        .config("spark.ui.enabled", "false")
        .config("spark.driver.memory", "512m")
        .config("spark.local.dir", str(shared))
        .config("spark.sql.warehouse.dir", str(shared / "warehouse"))
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", "20")
        .getOrCreate()
    )

    def run(users, call, out, schema):
        def results(batches):
            return (call(batch).to_pandas() for batch in batches)

        session.read.parquet(str(users)).mapInPandas(results, schema).write.parquet(str(out))

    try:
        yield run
    finally:
        session.stop()


ENGINES = {"ray": ("ray", ray), "spark": ("pyspark", spark)}


@pytest.fixture(scope="module", params=list(ENGINES))
def run(request, tmp_path_factory):
    """What runs a callable on an engine, and reads what was written."""
    module, start = ENGINES[request.param]
    if importlib.util.find_spec(module) is None:
        said = f"{module} is missing: pip install 'kerasrec[{request.param}]'"
        if request.param in os.environ.get("KERASREC_ENGINES", "").split(","):
            pytest.fail(said)
        pytest.skip(said)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYSPARK_PYTHON", sys.executable)
        patch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
        with start(tmp_path_factory.mktemp("engine")) as write:

            def run(users, call, out, schema=SCHEMA):
                write(users, call, out, schema)
                return pq.read_table(out).to_pandas()

            yield run


@pytest.fixture(scope="module")
def split():
    """Text users, numbered items; everybody has relevant ones in the test."""
    rng = np.random.default_rng(0)
    items = np.concatenate([rng.permutation(50)[:12] for _ in range(N_USERS)])
    ids = {"user_ids": [f"ü{user:03d}" for user in range(N_USERS)], "item_ids": range(100, 150)}
    return splits.per_user_split(Interactions(np.repeat(np.arange(N_USERS), 12), items, **ids), 0.2, seed=0)


@pytest.fixture(scope="module")
def recommender(split):
    return kerasrec.Recommender(kerasrec.zoo.create("hybrid", split[0], seed=0), split[0])


@pytest.fixture(scope="module")
def expected(recommender, tmp_path_factory):
    path = tmp_path_factory.mktemp("expected") / "lists.parquet"
    recommender.recommend_to_parquet(path, k=5, verbose=False)
    return pq.read_table(path).to_pandas()


@pytest.fixture(scope="module")
def lists(recommender, tmp_path_factory):
    return recommender.lists(tmp_path_factory.mktemp("lists") / "lists", k=5)


@pytest.fixture(scope="module")
def tolerant(recommender, tmp_path_factory):
    """Lists that leave unknown users out."""
    return recommender.lists(tmp_path_factory.mktemp("tolerant") / "lists", k=5, unknown="skip")


@pytest.fixture(scope="module")
def users(recommender, tmp_path_factory):
    """A folder of eight files of user ids."""
    return written(recommender.user_ids, tmp_path_factory.mktemp("users"))


def written(ids, folder):
    for number, part in enumerate(np.array_split(np.asarray(ids, object), 8)):
        pq.write_table(pa.table({"user": part.tolist()}), folder / f"part-{number}.parquet")
    return folder


def check(found, expected):
    order = ["user", "rank"]
    found, expected = (frame.sort_values(order, ignore_index=True) for frame in (found, expected))
    assert len(expected) == 5 * N_USERS
    pd.testing.assert_frame_equal(found[[*order, "item"]], expected[[*order, "item"]], check_dtype=False)
    np.testing.assert_allclose(found["score"], expected["score"], rtol=1e-5, atol=1e-6)


# Workers do not have this file: what they run is defined inside of functions and pickled by its code.


def dies_in_the_middle(lists, folder):
    """The same callable, whose process is killed at the third batch of all."""

    def call(batch):
        import os
        import pathlib
        import signal

        for number in range(3):
            with contextlib.suppress(FileExistsError):
                pathlib.Path(folder, str(number)).touch(exist_ok=False)
                break
        else:
            return lists(batch)
        if number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        return lists(batch)

    return call


def telling(lists, folder):
    """The same callable, which writes each of its warnings to a file."""

    def call(batch):
        import pathlib
        import uuid
        import warnings

        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            found = lists(batch)
        for warning in said:
            pathlib.Path(folder, uuid.uuid4().hex).write_text(str(warning.message))
        return found

    return call


def measuring(file, test):
    """A callable from a batch of users to a pickled report of them."""

    class Measure:
        def __init__(self):
            self.recommender = None

        def __call__(self, batch):
            import kerasrec

            if self.recommender is None:
                self.recommender = kerasrec.Recommender.load(file)
            users = batch["user"].to_pylist() if hasattr(batch, "schema") else batch["user"].tolist()
            train, model = self.recommender.interactions, self.recommender.model
            report = kerasrec.evaluation.evaluate(model, test, train, users=users)
            return pa.table({"report": [pickle.dumps(report)]})

    return Measure()


def test_the_same_rows(run, users, lists, expected, tmp_path):
    check(run(users, lists, tmp_path / "out"), expected)


def test_a_worker_is_killed(run, users, lists, expected, tmp_path):
    (tmp_path / "batches").mkdir()
    call = dies_in_the_middle(lists, str(tmp_path / "batches"))
    check(run(users, call, tmp_path / "out"), expected)
    assert (tmp_path / "batches" / "2").exists()


def test_unknown_users_are_counted(run, recommender, tolerant, expected, tmp_path):
    ids = np.random.default_rng(0).permutation([*recommender.user_ids, *(f"x{j}" for j in range(33))])
    (tmp_path / "users").mkdir()
    (tmp_path / "said").mkdir()
    call = telling(tolerant, str(tmp_path / "said"))
    check(run(written(ids, tmp_path / "users"), call, tmp_path / "out"), expected)
    pattern = r"(\d+) of \d+ users, first 'x\d+', are unknown"
    said = [re.match(pattern, path.read_text())[1] for path in (tmp_path / "said").iterdir()]
    assert len(said) > 1 and sum(map(int, said)) == 33


def test_unknown_users_are_refused(run, lists, tmp_path):
    (tmp_path / "users").mkdir()
    with pytest.raises(Exception, match="Users must be known to the recommender; `unknown='skip'`"):
        run(written(["x"] * 8, tmp_path / "users"), lists, tmp_path / "out")


def test_evaluation_in_parts(run, users, recommender, split, tmp_path):
    test = split[1]
    recommender.save(tmp_path / "model.keras")
    found = run(users, measuring(str(tmp_path / "model.keras"), test), tmp_path / "out", "report binary")
    assert len(found) >= N_USERS / 20
    merged = merge(map(pickle.loads, found["report"]))
    whole = evaluate(recommender.model, test, recommender.interactions)
    assert merged.protocol == whole.protocol
    pd.testing.assert_frame_equal(merged.to_frame(), whole.to_frame(), check_exact=True)
    of_users = [name for name in whole.metrics if whole.figure(name).values is not None]
    assert "ndcg@10" in of_users and len(of_users) < len(whole.metrics)
    for name in of_users:
        pd.testing.assert_series_equal(merged.per_user(name), whole.per_user(name), check_exact=True)
