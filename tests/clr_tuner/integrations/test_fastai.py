"""fastai's learners: their bounds, and the rates that their updates really use."""

import random
import sys
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastai.callback.training")  # the import warns of torch.jit.script, which is not ours

import torch
from fastai.callback.core import Callback
from fastai.callback.schedule import ParamScheduler, SchedExp
from fastai.callback.training import GradientAccumulation
from fastai.data.core import DataLoaders
from fastai.data.load import DataLoader
from fastai.learner import Learner
from fastai.losses import CrossEntropyLossFlat
from fastai.optimizer import Optimizer, OptimWrapper, average_grad, momentum_step
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import TensorDataset

import clr_tuner as ct
from clr_tuner.integrations.fastai import SchedulerCallback, max_lr, range_test
from tests.clr_tuner.integrations.page import python_block

DIGITS = load_digits()
INPUTS, TARGETS = torch.tensor(DIGITS.data / 16, dtype=torch.float32), torch.tensor(DIGITS.target)
SCHEDULE = ct.parse_schedule({"policy": "triangular", "base_lr": 0.01, "max_lr": 0.1, "step_size": 5})
NUM_BATCHES = 22
TINY: dict[str, Any] = {"effort": "quick", "num_steps": 40}
rates: list[float] = []  # of each update, of the last param group


class Watch(Callback):
    """Fails where it is called although it should rest."""

    def before_batch(self) -> None:
        raise AssertionError("it should rest")


def own(params: Any, lr: float) -> Any:
    """SGD of fastai's own kind."""

    def note(p: Any, lr: float, **_: Any) -> None:
        if p is optimizer.param_lists[-1][-1]:
            rates.append(lr)

    optimizer = Optimizer(params, [note, average_grad, momentum_step], lr=lr, mom=0.9)
    return optimizer


def wrapped(params: Any, lr: float) -> Any:
    """SGD of torch's."""
    optimizer = OptimWrapper(params, torch.optim.SGD, lr=lr, momentum=0.9)
    optimizer.opt.register_step_pre_hook(lambda *_: rates.append(optimizer.opt.param_groups[-1]["lr"]))
    return optimizer


@pytest.fixture(autouse=True)
def _no_rates() -> None:
    rates.clear()


def make_learner(tmp_path: Path, opt_func: Any = own, **changes: Any) -> Any:
    torch.manual_seed(0)
    random.seed(0)
    model = nn.Sequential(nn.Linear(64, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 10))
    train = DataLoader(TensorDataset(INPUTS[:1408], TARGETS[:1408]), bs=64, shuffle=True)
    valid = DataLoader(TensorDataset(INPUTS[1408:], TARGETS[1408:]), bs=200)
    parameters = {"loss_func": CrossEntropyLossFlat(), "lr": 0.01, "path": tmp_path, "opt_func": opt_func}
    learn = Learner(DataLoaders(train, valid), model, **(parameters | changes))
    return learn.remove_cb(learn.progress)


def planned(bounds: Any) -> list[float]:
    return [point.lr for sweep in bounds.sweeps for point in sweep.points]


def content(learn: Any) -> list[bytes]:
    kept = learn.opt.state_dict()["state"]
    states = [learn.model.state_dict(), *(kept.values() if isinstance(kept, dict) else kept)]
    tensors = [value for state in states for value in state.values() if isinstance(value, torch.Tensor)]
    return [tensor.numpy().tobytes() for tensor in tensors]


def test_bounds_are_found_where_the_digits_are_learned(tmp_path: Path) -> None:
    bounds = range_test(make_learner(tmp_path), effort="quick")

    assert bounds, bounds
    assert bounds.metric == "accuracy"
    assert 1e-3 < bounds.base_lr < bounds.max_lr < 2
    assert bounds.steps_per_epoch == NUM_BATCHES


def test_momentum_is_known_of_both_kinds_of_optimizers(tmp_path: Path) -> None:
    found = [range_test(make_learner(tmp_path, kind), effort="quick").max_lr for kind in (own, wrapped)]

    assert found[0] == pytest.approx(found[1], rel=0.5)


@pytest.mark.parametrize("opt_func", [own, wrapped])
@pytest.mark.parametrize("cbs", [None, [GradientAccumulation(256)]], ids=["each batch", "each fourth"])
def test_every_update_of_a_range_test_has_the_planned_rate(tmp_path: Path, opt_func: Any, cbs: Any) -> None:
    bounds = range_test(make_learner(tmp_path, opt_func, cbs=cbs), **TINY)

    assert rates == planned(bounds)
    assert len(rates) == 40
    assert bounds.sweeps[0].points[0].loss == pytest.approx(2.3, rel=0.1)


def test_every_sweep_begins_with_the_weights_and_the_batches_of_the_first(tmp_path: Path) -> None:
    bounds = range_test(make_learner(tmp_path), num_steps=40, num_seeds=1)

    assert len(bounds.sweeps) > 1
    assert len({sweep.points[0].loss for sweep in bounds.sweeps}) == 1


@pytest.mark.parametrize("opt_func", [own, wrapped])
def test_a_learner_is_bit_for_bit_as_it_was(tmp_path: Path, opt_func: Any) -> None:
    learn = make_learner(tmp_path, opt_func)
    with learn.no_logging():
        learn.fit(1)
    before, attributes, hypers = content(learn), dict(vars(learn)), [dict(each) for each in learn.opt.hypers]
    recorded, drawn = list(learn.recorder.lrs), learn.dls.train.rng.getstate()

    range_test(learn, **TINY)

    assert content(learn) == before
    assert vars(learn) == attributes
    assert [dict(each) for each in learn.opt.hypers] == hypers
    assert (learn.recorder.lrs, learn.dls.train.rng.getstate()) == (recorded, drawn)


def test_a_learner_that_was_never_fitted_fits_as_if_nothing_had_been(tmp_path: Path) -> None:
    runs = []
    for tested in (False, True):
        learn = make_learner(tmp_path)
        if tested:
            range_test(learn, **TINY)
            assert learn.opt is None
        with learn.no_logging():
            learn.fit(1)
        runs.append(content(learn))

    assert runs[0] == runs[1]


def test_everything_is_restored_where_the_training_raises(tmp_path: Path) -> None:
    learn = make_learner(tmp_path, cbs=[Watch()])
    cbs, rng = list(learn.cbs), learn.dls.train.rng

    with pytest.raises(AssertionError, match="it should rest"):
        range_test(learn, **TINY)
    assert list(learn.cbs) == cbs
    assert learn.dls.train.rng is rng


def test_callbacks_that_rest_under_lr_find_rest_in_the_test(tmp_path: Path) -> None:
    class Tracker(Watch):
        def before_fit(self) -> None:
            self.run = not hasattr(self, "lr_finder")  # as those of fastai do

    assert range_test(make_learner(tmp_path, cbs=[Tracker()]), **TINY).sweeps


@pytest.mark.parametrize("opt_func", [own, wrapped])
@pytest.mark.parametrize(("n_acc", "num_steps"), [(64, 2 * NUM_BATCHES), (256, 2 * NUM_BATCHES // 4)])
def test_every_update_of_a_training_has_the_rate_of_the_schedule(
    tmp_path: Path, opt_func: Any, n_acc: int, num_steps: int
) -> None:
    learn = make_learner(tmp_path, opt_func)

    with learn.no_logging():
        for _ in range(2):  # a second fit begins anew, and does not go on counting
            rates.clear()
            learn.fit(2, cbs=[SchedulerCallback(SCHEDULE), GradientAccumulation(n_acc)])

    assert rates == [SCHEDULE(step) for step in range(num_steps)]
    assert not [key for group in learn.opt.hypers for key in group if key in ("lr_scale", "momentum")]


def test_the_recorder_has_the_rate_that_each_update_used(tmp_path: Path) -> None:
    learn = make_learner(tmp_path)

    with learn.no_logging():
        learn.fit(2, cbs=SchedulerCallback(SCHEDULE))

    assert learn.recorder.lrs == rates


def test_groups_keep_the_ratio_of_their_rates_to_the_last(tmp_path: Path) -> None:
    def split(model: nn.Sequential) -> Any:
        return [list(model[0].parameters()), list(model[1:].parameters())]

    learn = make_learner(tmp_path, splitter=split)
    learn.create_opt()
    used = []
    learn.opt.cbs.append(lambda p, lr, **_: used.append(lr) if p is learn.opt.param_lists[0][0] else None)

    with learn.no_logging():
        learn.fit(1, lr=slice(1e-3, 1e-2), cbs=SchedulerCallback(SCHEDULE))

    assert rates == [SCHEDULE(step) for step in range(NUM_BATCHES)]
    assert used == pytest.approx([rate / 10 for rate in rates])


def test_another_scheduler_beside_ours_is_refused(tmp_path: Path) -> None:
    learn = make_learner(tmp_path)

    with pytest.raises(ValueError, match="without fit_one_cycle"), learn.no_logging():
        learn.fit(1, cbs=[ParamScheduler({"lr": SchedExp(1e-3, 1e-2)}), SchedulerCallback(SCHEDULE)])


@pytest.mark.filterwarnings("ignore:.*numpy.core is deprecated")  # it loads a checkpoint of its own
def test_lr_find_suggests_our_max_lr(tmp_path: Path) -> None:
    learn = make_learner(tmp_path)

    with learn.no_logging():
        suggested = learn.lr_find(end_lr=100, num_it=200, suggest_funcs=max_lr, show_plot=False)

    assert 1e-3 < suggested.max_lr < 10


def test_lr_find_has_no_suggestion_where_nothing_was_learned(tmp_path: Path) -> None:
    lrs = torch.logspace(-7, 1, 85)

    with pytest.warns(UserWarning, match="inconclusive"):
        lr, _ = max_lr(lrs, torch.full((85,), 2.3), 100)
    assert lr != lr


@pytest.mark.parametrize("opt_func", [own, wrapped])
def test_a_scheduler_that_would_set_rates_in_copies_refuses_and_says_what_to_do(
    tmp_path: Path, opt_func: Any
) -> None:
    learn = make_learner(tmp_path, opt_func)
    learn.create_opt()

    with pytest.raises(ValueError, match=r"param_groups .* is lost: .*SchedulerCallback"):
        ct.Scheduler(learn.opt, SCHEDULE)


def test_the_example_of_the_page_trains_under_its_schedule(tmp_path: Path) -> None:
    names: dict[str, Any] = {"learn": make_learner(tmp_path)}

    with names["learn"].no_logging():
        exec(python_block("fastai"), names)  # as a reader would

    num_steps = 8 * NUM_BATCHES
    assert rates[-num_steps:] == [names["schedule"](step) for step in range(num_steps)]
    predictions, targets = names["learn"].get_preds()
    assert (predictions.argmax(1) == targets).float().mean() > 0.85


def test_where_it_is_missing_one_is_told_what_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ["fastai", *(name for name in sys.modules if name.startswith("fastai."))]:
        monkeypatch.setitem(sys.modules, name, None)
    spec = find_spec("clr_tuner.integrations.fastai")
    assert spec is not None
    assert spec.loader is not None

    with pytest.raises(ImportError, match="pip install 'fastai>="):
        spec.loader.exec_module(module_from_spec(spec))
