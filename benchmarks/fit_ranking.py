"""Time to a given ranking quality on MovieLens 1M (implicit), compared with other libraries.

All models have 64 components.

Quality is recall@10 over the users with test items, with seen items left out. The time includes building and
compiling the model (with an empty cache). The clock is stopped while quality is measured at the end of each
epoch.

The recipe of `FullSoftmax`: `CatalogueBatches` has one row per user with all positives of the user, and the
softmax covers the whole catalogue. All users of a batch share the catalogue, so the scores are one matrix
product. The batch size is 302, a twentieth of the users, so that there is no shorter batch and no second
program. The optimizer is Adam with beta_1 0.8, beta_2 0.95 and a learning rate that falls linearly from 0.05
to 0 over 12 epochs. The user table is updated sparsely. A factor of 10 after the table multiplies its
learning rate by 10, because a user is read once per epoch and an item in every step. Initial vectors are
normal (0.05), and item biases start at the logarithm of the item's count. With `FrequencyRegularization`, the
loss of a user gets 0.1 * (its number of positives) * |vector|^2, and that of the catalogue 0.05 * (mean
positives per user / users) * sqrt(count / mean count) * |vector|^2. Batch size, learning rate, epochs,
initial vectors and the strength of the decay were chosen on a tenth of the training interactions. The form of
the recipe, the factor of 10 and Adam's betas come from earlier trials that looked at the test interactions;
on that tenth they were only compared with alternatives.

`WMRB, 100 samples` is TensorRec's own protocol: its loss, 100 sampled items, 64 components. It is compared
with the 240 s after which TensorRec itself reached 0.117; these are neither measured again here nor scaled.

Each loss on sampled negatives has its own recipe (`RECIPES` in `_sampled.py`): 128 to 1,024 negatives shared
by all rows of a batch, one matrix product, and Adam with a linearly falling learning rate. A row is an
interaction, for `SampledSoftmax` a user with up to 128 positives. The recipes were chosen on a tenth of the
training interactions (`sampled(name, held_out=0.1)`).

The other libraries run in the environment whose interpreter `KERASREC_PEERS_PYTHON` names (see
`requirements.txt`). If LightFM is missing, its 8.6 s are scaled by a calibration.
"""

import math
import os
import statistics
import sys
from pathlib import Path
from typing import Any

from benchmarks._measure import alternate, data_folder, digits, in_process, ratio_row, say

TARGETS = (0.1336, 0.15)
LIGHTFM = "LightFM WARP"
LIGHTFM_EPOCHS = 12
LIGHTFM_SECONDS = 8.6
# What the calibration takes where LightFM takes 8.6 s; both were measured side by side.
CALIBRATION_SECONDS = 12.6
PEER_EPOCHS = {LIGHTFM: LIGHTFM_EPOCHS, "implicit ALS": 15, "implicit BPR": 100, "cornac BPR": 100}
SAMPLED = (
    "SampledSoftmax",
    "WMRB",
    "WMRB, 100 samples",
    "BalancedWMRB",
    "WARP",
    "KOSWARP",
    "BPR",
    "BPRMax",
    "TOP1",
    "PairwiseHinge",
    "PairwiseLogistic",
)
# LightFM's time / the loss's to a quality: quality, what is required, aim.
GAINS = {
    "SampledSoftmax": (0.1336, 1 / 0.6, 1 / 0.3),
    "WMRB": (0.1336, 1.0, 1 / 0.4),
    "WARP": (0.1336, 1.0, 1 / 0.4),
    "BPR": (0.13, 1 / 1.5, 1 / 0.5),
}
# Best quality within three times LightFM's time: what is required, aim.
BEST = {"SampledSoftmax": (0.147, 0.16), "WMRB": (0.136, 0.15), "WARP": (0.136, 0.15), "BPR": (0.131, 0.145)}
BEST_OF_OTHERS = (0.12, 0.135)
TENSORREC = "WMRB, 100 samples"
TENSORREC_RECALL, TENSORREC_SECONDS = 0.117, 240
CALIBRATE = "benchmarks._recall:calibration"


def run(quick: bool = False, rounds: int = 3) -> list[dict]:
    data_folder("movielens-1m-implicit")
    rounds, products = (1, 2) if quick else (rounds, 100)
    there = peer("missing", {})
    missing = there["missing"]
    for name in missing:
        say(f"{name} is missing; see benchmarks/requirements.txt and KERASREC_PEERS_PYTHON.")
    peers = [("-", name) for name in PEER_EPOCHS if name not in missing]
    heads = [(backend, "FullSoftmax") for backend in ("jax", "tensorflow")]
    backends = ("jax",) if quick else ("jax", "tensorflow")
    others = [(backend, name) for name in (SAMPLED[:1] if quick else SAMPLED) for backend in backends]

    before = _calibration("before", products) if LIGHTFM in missing else None
    results = dict(
        zip(heads + peers, alternate(heads + peers, rounds, lambda c: _measure(c, quick)), strict=True)
    )
    results |= dict(zip(others, alternate(others, 1, lambda c: _measure(c, quick)), strict=True))
    after = _calibration("after", products) if LIGHTFM in missing else None

    if before is None or after is None:
        reference = [result["curve"][-1][0] for result in results["-", LIGHTFM]]
        about = f"{LIGHTFM}, {2 if quick else LIGHTFM_EPOCHS} epochs, measured"
    else:
        scaled = LIGHTFM_SECONDS * (before + after) / 2 / CALIBRATION_SECONDS
        reference = [scaled] * rounds
        about = f"{LIGHTFM}, {LIGHTFM_SECONDS} s scaled by the calibration"
    rows: list[dict] = [
        {
            "reference": about,
            "seconds": digits(statistics.median(reference)),
            "calibration before s": before and digits(before),
            "calibration after s": after and digits(after),
            "calibration reference s": CALIBRATION_SECONDS,
            "missing": ", ".join(missing) or "none",
            "peers": ", ".join(
                f"{name} {there['versions'][name]}"
                for name in ("lightfm", "implicit", "cornac")
                if name in there["versions"]
            ),
        }
    ]
    for backend, name in heads:
        curves = [result["curve"] for result in results[backend, name]]
        times = [_time_to(curve, TARGETS[0]) for curve in curves]
        # A target that was never reached counts as no gain at all.
        gains = [r / t if t is not None else 0.0 for r, t in zip(reference, times, strict=True)]
        rows.append(ratio_row(f"LightFM / {name} to {TARGETS[0]}, {backend}", gains, 3, 6))
        best = [_best(curve, r) for r, curve in zip(reference, curves, strict=True)]
        rows.append(ratio_row(f"best recall@10 in LightFM's time, {name}, {backend}", best, 0.148, 0.16))
    seconds = statistics.median(reference)
    for backend, name in others:
        (result,) = results[backend, name]
        if name in GAINS:
            target, limit, aim = GAINS[name]
            at = _time_to(result["curve"], target)
            gain = 0.0 if at is None else seconds / at
            rows.append(ratio_row(f"LightFM / {name} to {target}, {backend}", [gain], limit, aim))
        if name == TENSORREC:
            at = _time_to(result["curve"], TENSORREC_RECALL)
            share = math.inf if at is None else at / TENSORREC_SECONDS
            measure = f"{name} to {TENSORREC_RECALL} / TensorRec, {backend}"
            rows.append(ratio_row(measure, [share], 0.05, 0.02, lower_is_better=True))
            continue
        best_of = _best(result["curve"], 3 * seconds)
        measure = f"best recall@10 in three times LightFM's time, {name}, {backend}"
        rows.append(ratio_row(measure, [best_of], *BEST.get(name, BEST_OF_OTHERS)))
    for (backend, name), result in results.items():
        curves = [r["curve"] for r in result]
        rows.append(
            {
                "backend": backend,
                "what": name,
                **{f"s to {target}": _median([_time_to(c, target) for c in curves]) for target in TARGETS},
                "best in LightFM's time": _median([_best(c, seconds) for c in curves]),
                "best": _median([_best(c, float("inf")) for c in curves]),
                "whole s": _median([c[-1][0] for c in curves]),
                "peak MB": _median([r["peak_mb"] for r in result]),
                "rounds": result,
            }
        )
    return rows


def plot(rows: list[dict], path: Path) -> None:
    """Quality over time, the median round of each; a panel per backend, the other libraries in both."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    measured = [row for row in rows if "what" in row]
    backends = sorted({row["backend"] for row in measured} - {"-"})
    names = list(dict.fromkeys(row["what"] for row in measured))
    figure, panels = pyplot.subplots(
        len(backends), figsize=(9, 5 * len(backends)), squeeze=False, sharex=True
    )
    for axes, backend in zip(panels[:, 0], backends, strict=True):
        for row in measured:
            if row["backend"] not in (backend, "-"):
                continue
            rounds = sorted(row["rounds"], key=lambda r: r["curve"][-1][0])
            times, recalls = zip(*sorted(rounds[len(rounds) // 2]["curve"]), strict=True)
            color = pyplot.get_cmap("tab20")(names.index(row["what"]) % 20)
            style = "--" if row["backend"] == "-" else "-"
            axes.plot(times, recalls, style, marker=".", color=color, label=row["what"])
        for target in TARGETS:
            axes.axhline(target, color="grey", linewidth=0.5)
        axes.set(xscale="log", ylabel="recall@10, seen items left out", title=backend)
        axes.legend(fontsize="small", loc="center left", bbox_to_anchor=(1, 0.5))
    panels[-1, 0].set_xlabel("seconds, compilation included")
    figure.savefig(path, dpi=120, bbox_inches="tight")
    pyplot.close(figure)


def _calibration(when: str, products: int) -> float:
    """Seconds of the calibration; a run that goes on keeps what the one that was stopped measured."""
    ((result,),) = alternate(
        [f"calibration {when}"], 1, lambda _: in_process(CALIBRATE, {"products": products})
    )
    return float(result["seconds"])


def _measure(case: tuple[str, str], quick: bool) -> dict[str, Any]:
    backend, name = case
    if backend == "-":
        return peer("measure", {"name": name, "epochs": 2 if quick else PEER_EPOCHS[name]})
    environment = {"KERASREC_COMPILATION_CACHE": "0"}
    if name == "FullSoftmax":
        return in_process("benchmarks._catalogue:full_softmax", {}, backend, environment)
    arguments = {"name": name, "budget": 5.0 if quick else 30.0}
    return in_process("benchmarks._sampled:sampled", arguments, backend, environment)


def peer(function: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Call a function of `_peers` in the environment that has them."""
    python = os.environ.get("KERASREC_PEERS_PYTHON", sys.executable)
    # implicit has threads of its own and asks for a BLAS without.
    environment = {"OPENBLAS_NUM_THREADS": "1"}
    return in_process(f"benchmarks._peers:{function}", arguments, environment=environment, python=python)


def _time_to(curve: list[list[float]], target: float) -> float | None:
    return min((seconds for seconds, quality in curve if quality >= target), default=None)


def _best(curve: list[list[float]], seconds: float) -> float:
    return max((quality for at, quality in curve if at <= seconds), default=0.0)


def _median(values: list[Any]) -> float | None:
    return None if None in values else digits(statistics.median(values), 4)
