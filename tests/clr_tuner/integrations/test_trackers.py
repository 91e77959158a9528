"""What trackers keep of a range test, read back from their own files."""

import json
import math
import struct
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import matplotlib.image
import mlflow
import numpy as np
import pytest
import wandb
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
from torch.utils.tensorboard import SummaryWriter
from wandb.proto.wandb_internal_pb2 import Record

import clr_tuner as ct
from clr_tuner.integrations import mlflow as ours_mlflow
from clr_tuner.integrations import tensorboard as ours_tensorboard
from clr_tuner.integrations import wandb as ours_wandb
from clr_tuner.integrations.record import list_curves
from tests.clr_tuner.integrations.digits import find_bounds
from tests.clr_tuner.integrations.page import python_block

pytestmark = pytest.mark.filterwarnings(  # MLflow's own, with SQLAlchemy 2.1
    "ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"
)
LOSSES = [1.0] * 20
CURVE = {  # as a service answers it
    "complete": True,
    "runs": [
        {
            "seed": 4,
            "sweep": 2,
            "phase": "test",
            "step": [0, 1],
            "lr": [0.1, 0.2],
            "loss": [3.0, None],
            "held_out": {"step": [0], "lr": [0.1], "loss": [2.5], "accuracy": [None]},
        },
        {"seed": 9, "sweep": 0, "phase": "confirm"},
    ],
}


@pytest.fixture
def bounds() -> ct.Bounds:
    return find_bounds()


@pytest.fixture
def nothing() -> ct.Inconclusive:
    lrs = [0.001 * 1.5**step for step in range(len(LOSSES))]
    found = ct.read_bounds([ct.Sweep.from_results(lrs, LOSSES)])
    assert isinstance(found, ct.Inconclusive)
    return found


def points(bounds: ct.Bounds, seed: int, name: str) -> dict[int, float]:
    """lr or loss by step, as measured."""
    [sweep] = [sweep for sweep in bounds.sweeps if sweep.plan.seed == seed]
    return {point.step: getattr(point, name) for point in sweep.points}


def looks(bounds: ct.Bounds, seed: int) -> dict[int, Any]:
    [sweep] = [sweep for sweep in bounds.sweeps if sweep.plan.seed == seed]
    return {look.step: look.accuracy for look in sweep.held_out}


# TensorBoard


def read_events(folder: Path) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"scalars": 0, "images": 0, "tensors": 0})
    return events.Reload()


def scalars(events: EventAccumulator, tag: str) -> dict[int, float]:
    return {event.step: event.value for event in events.Scalars(tag)}


def test_tensorboard_has_curves_text_and_picture(bounds: ct.Bounds, tmp_path: Path) -> None:
    exec(python_block("TensorBoard"), {"folder": str(tmp_path), "bounds": bounds})  # as a reader would

    events = read_events(tmp_path)
    for seed in (0, 1):
        of_seed = f"range-test/sweep-1-seed-{seed}"
        assert scalars(events, f"{of_seed}/lr") == pytest.approx(points(bounds, seed, "lr"), rel=1e-6)
        assert scalars(events, f"{of_seed}/loss") == pytest.approx(points(bounds, seed, "loss"), rel=1e-6)
        assert scalars(events, f"{of_seed}/held_out_accuracy") == pytest.approx(looks(bounds, seed), rel=1e-6)
    [text] = events.Tensors("range-test/bounds/text_summary")
    assert bounds.reason_max in text.tensor_proto.string_val[0].decode()
    [image] = events.Images("range-test/picture")
    pixels = matplotlib.image.imread(BytesIO(image.encoded_image_string))
    assert pixels.shape[:2] == (image.height, image.width)
    assert np.std(pixels) > 0.05


def test_tensorboard_has_the_bounds_among_hyperparameters_in_a_run_of_their_own(
    bounds: ct.Bounds, tmp_path: Path
) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        ours_tensorboard.log_range_test(writer, bounds, name="first")

    metadata = read_events(tmp_path / "first").SummaryMetadata("_hparams_/session_start_info")
    hparams = HParamsPluginData.FromString(metadata.plugin_data.content).session_start_info.hparams
    assert hparams["max_lr"].number_value == bounds.max_lr
    assert hparams["metric"].string_value == "accuracy"
    assert scalars(read_events(tmp_path / "first"), "first/max_lr") == pytest.approx(
        {0: bounds.max_lr}, rel=1e-6
    )
    assert "_hparams_/session_start_info" not in read_events(tmp_path).Tags()["tensors"]


# MLflow


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where MLflow keeps its tables: it takes seconds to make them."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def store(database: str, tmp_path: Path) -> Iterator[mlflow.MlflowClient]:
    """MLflow with an active experiment of its own."""
    mlflow.set_tracking_uri(database)
    client = mlflow.MlflowClient()
    experiment = client.create_experiment(tmp_path.name, artifact_location=(tmp_path / "artifacts").as_uri())
    mlflow.set_experiment(experiment_id=experiment)
    yield client
    mlflow.end_run()


def test_mlflow_has_curves_params_and_artifacts(
    store: mlflow.MlflowClient, bounds: ct.Bounds, tmp_path: Path
) -> None:
    exec(python_block("MLflow"), {"bounds": bounds})  # as a reader would

    [run] = store.search_runs([store.get_experiment_by_name(tmp_path.name).experiment_id])
    for seed in (0, 1):
        for name in ("lr", "loss"):
            kept = store.get_metric_history(run.info.run_id, f"range-test/sweep-1-seed-{seed}/{name}")
            assert {metric.step: metric.value for metric in kept} == points(bounds, seed, name)
    assert run.data.params["range-test/max_lr"] == str(bounds.max_lr)
    [folder] = (tmp_path / "artifacts").glob("*/artifacts/range-test")
    assert json.loads((folder / "bounds.json").read_text())["reason_max"] == bounds.reason_max
    assert (folder / "bounds.txt").read_text() == str(bounds)
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")


def test_more_points_than_mlflow_takes_at_once_are_all_there(
    store: mlflow.MlflowClient, bounds: ct.Bounds
) -> None:
    steps = list(range(1500))
    run = {"seed": 0, "sweep": 0, "phase": "test", "step": steps, "lr": steps, "loss": steps}
    none: dict[str, list[float]] = {"step": [], "loss": [], "accuracy": []}

    with mlflow.start_run() as active:
        ours_mlflow.log_range_test(bounds, {"runs": [run | {"held_out": none}]})

    kept = store.get_metric_history(active.info.run_id, "range-test/sweep-0-seed-0/loss")
    assert [metric.value for metric in kept] == steps


# W&B


def read_records(folder: Path) -> Iterator[Record]:
    """A run's file is a log as LevelDB has it: blocks of 32 KiB, records of a checksum, a length and a kind."""
    wandb.teardown()  # the last block may be written after a run has finished
    [file] = folder.glob("wandb/offline-run-*/*.wandb")
    content, at, gathered = file.read_bytes(), 7, b""
    while at + 7 <= len(content):
        left = 32768 - at % 32768
        if left < 7:
            at += left
            continue
        length, kind = struct.unpack("<HB", content[at + 4 : at + 7])
        gathered += content[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or the last part
            yield Record.FromString(gathered)
            gathered = b""


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    return tmp_path


def test_wandb_has_curves_config_summary_and_picture(offline: Path, bounds: ct.Bounds) -> None:
    exec(python_block("W&B"), {"bounds": bounds})  # as a reader would

    records = list(read_records(offline))
    history = [
        {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
        for record in records
        if record.HasField("history")
    ]
    for seed in (0, 1):
        for name in ("lr", "loss"):
            key = f"range-test/sweep-1-seed-{seed}/{name}"
            assert {row["range-test/step"]: row[key] for row in history if key in row} == points(
                bounds, seed, name
            )
    configured = [item for record in records for item in record.config.update if item.key == "range-test"]
    assert json.loads(configured[-1].value_json)["max_lr"] == bounds.max_lr
    told = [item for record in records for item in record.summary.update if item.key == "range-test/bounds"]
    assert json.loads(told[-1].value_json) == str(bounds)
    [picture] = offline.glob("wandb/offline-run-*/files/media/images/range-test/picture_*.png")
    assert picture.read_bytes().startswith(b"\x89PNG")


# what all of them take


def test_a_curve_of_a_service_has_its_sweeps_and_nan_for_null(bounds: ct.Bounds) -> None:
    [(name, rows)] = list_curves(bounds, CURVE)

    assert name == "sweep-2-seed-4"
    assert rows[0] == (0, {"lr": 0.1, "loss": 3.0, "held_out_loss": 2.5})
    assert math.isnan(rows[1][1]["loss"])


def test_bounds_that_came_as_json_are_logged_without_a_picture(bounds: ct.Bounds, tmp_path: Path) -> None:
    bare = ct.Bounds.from_dict(json.loads(json.dumps(bounds.to_dict())))

    with SummaryWriter(str(tmp_path)) as writer:
        ours_tensorboard.log_range_test(writer, bare, CURVE)

    events = read_events(tmp_path)
    assert scalars(events, "range-test/sweep-2-seed-4/lr") == pytest.approx({0: 0.1, 1: 0.2})
    assert not events.Tags()["images"]


def test_a_test_that_found_nothing_is_told_by_all(
    store: mlflow.MlflowClient, offline: Path, nothing: ct.Inconclusive
) -> None:
    with SummaryWriter(str(offline / "events")) as writer:
        ours_tensorboard.log_range_test(writer, nothing)
    with mlflow.start_run() as active:
        ours_mlflow.log_range_test(nothing)
    with wandb.init(project="digits") as run:
        ours_wandb.log_range_test(run, nothing)

        assert run.config["range-test"]["why"] == nothing.why
    assert store.get_run(active.info.run_id).data.params["range-test/why"] == nothing.why
    [text] = read_events(offline / "events").Tensors("range-test/bounds/text_summary")
    assert nothing.why in text.tensor_proto.string_val[0].decode()
