"""What README and docs say is so."""

import math
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import clr_tuner as ct
from api.app import create_app
from clr.optimizer_plugin import describe_plugin
from clr.optimizers import NAMES
from clr.training.batches import StagedBatches
from clr.training.seeding import seeded
from clr_tuner.client import Client
from clr_tuner.commands.options import Optimizer as OptimizerOption
from clr_tuner.embedded.service import EmbeddedService
from store.settings import Settings
from store.status import FINAL, MOVES
from worker.check.__main__ import check
from worker.workloads.digits import DigitsMLP

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PLUGINS = (ROOT / "docs" / "plugins.md").read_text()
BOUNDS = (ROOT / "docs" / "bounds.md").read_text()
TRAINING = (ROOT / "docs" / "training.md").read_text()
ELSEWHERE = (ROOT / "docs" / "schedules-elsewhere.md").read_text()
OPTIMIZERS = (ROOT / "docs" / "optimizers.md").read_text()
API = (ROOT / "docs" / "api.md").read_text()
EVENTS = (ROOT / "docs" / "events.md").read_text()
PORT = "8000"


def blocks(language: str, page: str = README) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def shell(commands: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands.replace(".venv/bin/", f"{Path(sys.executable).parent}/")],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    """Where docs/plugins.md has its own workload installed, and what the commands said that did it."""
    folder = tmp_path_factory.mktemp("plugin")
    installed = folder / "installed"
    offline = f"pip install --no-index --no-deps --no-build-isolation --target {installed}"
    make = blocks("sh", PLUGINS)[0].replace("pip install", offline)
    return installed, shell(make, folder, PYTHONPATH=str(installed))


@pytest.fixture(scope="module")
def service(
    plugin: tuple[Path, subprocess.CompletedProcess[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """What `make serve` runs, with that workload, on a free port. Yields the port."""
    folder = tmp_path_factory.mktemp("serve")
    settings = Settings(port=0, data_dir=folder, database_url="", broker_url="")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(plugin[0]))
        with EmbeddedService(settings, say=lambda _: None) as embedded:
            yield embedded.url.rpartition(":")[2]


def test_every_block_of_these_pages_is_run_by_a_test_here() -> None:
    assert (len(blocks("sh")), len(blocks("python"))) == (3, 2)
    assert README.count("```") == 2 * 5
    assert [len(blocks(language, PLUGINS)) for language in ("sh", "python", "text")] == [3, 1, 1]
    assert PLUGINS.count("```") == 2 * 5
    assert [len(blocks(language, TRAINING)) for language in ("sh", "python", "text")] == [6, 3, 1]
    assert TRAINING.count("```") == 2 * 10
    assert (len(blocks("sh", BOUNDS)), BOUNDS.count("```")) == (1, 2)
    assert (len(blocks("python", ELSEWHERE)), ELSEWHERE.count("```")) == (3, 2 * 3)
    assert [len(blocks(language, API)) for language in ("sh", "python")] == [7, 8]
    assert API.count("```") == 2 * 16  # that in JavaScript is run by tests/api/test_curve_columns.py
    assert (len(blocks("python", OPTIMIZERS)), OPTIMIZERS.count("```")) == (2, 4)
    assert [len(blocks(language, EVENTS)) for language in ("sh", "python", "js")] == [1, 1, 1]


def test_the_page_of_optimizers_names_each_and_its_block_makes_one() -> None:
    names: dict[str, Any] = {"model": torch.nn.Linear(2, 2)}

    exec(blocks("python", OPTIMIZERS)[0], names)

    assert [group["lr"] for group in names["optimizer"].param_groups] == [0.001, 0.001]
    assert all(f"`{name}`" in OPTIMIZERS for name in NAMES)


def test_the_plugin_of_the_page_of_optimizers_can_be_described() -> None:
    """tests/clr_tuner/integrations/test_optimizers.py trains with it, where the package is installed."""
    names: dict[str, Any] = {}

    exec(blocks("python", OPTIMIZERS)[1], names)

    assert set(describe_plugin(names["ScheduleFree"]())["params_schema"]["properties"]) == {
        "warmup_steps",
        "weight_decay",
    }


def test_the_command_line_names_every_optimizer() -> None:
    [option] = get_args(OptimizerOption)[1:]

    assert option.help == f"{', '.join(NAMES[:-1])} or {NAMES[-1]}."


def test_the_first_commands_are_targets_of_the_makefile() -> None:
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    commands = [line.split("#")[0].strip() for line in blocks("sh")[0].splitlines()]
    assert commands == ["make demo", "make test", "make serve"]
    for command in commands:
        assert f"  {command} " in listed


def test_the_torch_that_is_said_to_be_tested_is_the_one_of_the_constraints() -> None:
    [version] = re.findall(r"^torch==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)

    assert f"tested\nwith {version}." in README


def test_make_demo_prints_bounds_and_draws_them(tmp_path: Path) -> None:
    environment = os.environ | {"CLR_DATA_DIR": str(tmp_path)}

    demo = subprocess.run(
        ["make", "demo"], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )

    assert demo.returncode == 0, demo.stdout + demo.stderr
    assert re.search(r"max_lr +\d", demo.stdout)
    assert (tmp_path / "demo" / "digits-cnn.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("block", blocks("sh")[1:], ids=["clr-tuner", "curl"])
def test_the_shell_examples_work(service: str, block: str, tmp_path: Path) -> None:
    ran = shell(block.replace(PORT, service), tmp_path, CLR_URL=f"http://127.0.0.1:{service}")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "max_lr" in ran.stdout
    assert "<svg" in (tmp_path / "digits-mlp.svg").read_text()


def test_the_shell_example_of_confirming_works(service: str, tmp_path: Path) -> None:
    ran = shell(*blocks("sh", BOUNDS), tmp_path, CLR_URL=f"http://127.0.0.1:{service}")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "running: confirm" in ran.stderr
    for told in ("training: ", "FINAL ACCURACY", "ed: base_lr ", "valley@1: lr "):
        assert told in ran.stdout


def run_example(example: str, service: str) -> None:
    held: list[Client] = []

    def client(*arguments: str) -> Client:
        held.append(Client(*arguments))
        return held[-1]

    code = example.replace("import clr_tuner as ct", "").replace(PORT, service)
    exec(code, {"ct": SimpleNamespace(Client=client)})
    held[0].close()


def test_the_python_example_works(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_example(blocks("python")[1], service)

    assert "OneCycleLR(" in capsys.readouterr().out


def test_the_examples_of_events_hear_a_job_to_its_end(
    service: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    ran = shell(blocks("sh", EVENTS)[0].replace(PORT, service), tmp_path)
    run_example(blocks("python", EVENTS)[0], service)

    assert ran.returncode == 0, ran.stderr
    named = re.findall(r"^event: (\w+)$", ran.stdout, re.MULTILINE)
    assert (named[0], named[-2:]) == ("status", ["result", "end"])
    assert "points" in named
    *_, last = capsys.readouterr().out.splitlines()
    assert last.startswith("result ")


@pytest.mark.parametrize(
    ("block", "wrote"),
    list(
        zip(
            blocks("sh", TRAINING)[:4],
            (["best.pt", "training.svg"], [], ["best.pt"], ["training.svg"]),
            strict=True,
        )
    ),
    ids=["train", "rates", "resume", "curl"],
)
def test_the_shell_examples_of_training_work(
    service: str, block: str, wrote: list[str], tmp_path: Path
) -> None:
    ran = shell(block.replace(PORT, service), tmp_path, CLR_URL=f"http://127.0.0.1:{service}")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "diverged" not in ran.stdout
    assert '"code":' not in ran.stdout
    assert sorted(file.name for file in tmp_path.iterdir()) == wrote


def test_the_python_example_of_training_works_and_its_checkpoint_loads(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    load, train, _ = blocks("python", TRAINING)
    monkeypatch.chdir(tmp_path)
    digits = DigitsMLP()
    model = digits.build(digits.Params(), seed=1, batch_size=32, device="cpu").model

    run_example(train, service)
    exec(load, {"torch": torch, "model": model})

    assert capsys.readouterr().out.startswith("trained {'policy': 'triangular2'")


@pytest.mark.parametrize("block", blocks("sh", TRAINING)[4:], ids=["clr-tuner", "curl"])
def test_the_shell_examples_of_comparing_work(service: str, block: str, tmp_path: Path) -> None:
    ran = shell(block.replace(PORT, service), tmp_path, CLR_URL=f"http://127.0.0.1:{service}")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert blocks("text", TRAINING)[0].rstrip().partition(": ")[2] in ran.stdout
    assert "warning:" not in ran.stdout
    assert "<svg" in (tmp_path / "compared.svg").read_text()


def test_the_python_example_of_comparing_works(service: str, capsys: pytest.CaptureFixture[str]) -> None:
    run_example(blocks("python", TRAINING)[2], service)

    fixed, clr, noise = capsys.readouterr().out.splitlines()
    assert (fixed.split()[0], clr.split()[0]) == ("fixed", "CLR")
    assert noise.endswith(") ()")


def test_the_example_of_ones_own_model_works_and_has_nothing_to_warn_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    digits = DigitsMLP().build(DigitsMLP.Params(), seed=0, batch_size=32, device="cpu")
    assert isinstance(digits.batches, StagedBatches)
    train = TensorDataset(digits.batches.inputs, digits.batches.targets)
    held_out = TensorDataset(*digits.held_out)
    names = {
        "model": digits.model,
        "criterion": torch.nn.CrossEntropyLoss(),
        "optimizer": torch.optim.SGD(digits.model.parameters(), lr=0.1, momentum=0.9),
        "train_loader": DataLoader(train, batch_size=32, shuffle=True),
        "valid_loader": DataLoader(held_out, batch_size=400),
    }

    with seeded(0):
        exec(blocks("python")[0], names)

    base_lr, max_lr = capsys.readouterr().out.splitlines()
    assert (base_lr[:7], max_lr[:6]) == ("base_lr", "max_lr")
    assert "<svg" in (tmp_path / "range-test.svg").read_text()
    rates = names["bounds"].for_training("one_cycle", num_epochs=30)
    assert names["optimizer"].param_groups[0]["lr"] == pytest.approx(rates.base_lr, rel=0.01)


@pytest.mark.parametrize("block", blocks("python", ELSEWHERE)[:2], ids=["OneCycleLR", "CyclicLR"])
def test_ours_and_torchs_give_the_same_rates_and_momenta(block: str) -> None:
    optimizer, twin = (
        torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1, momentum=0.9) for _ in range(2)
    )
    names = {"ct": ct, "torch": torch, "optimizer": optimizer, "twin": twin}

    exec(block, names)

    for step in range(1000):
        assert optimizer.param_groups[0]["lr"] == pytest.approx(twin.param_groups[0]["lr"], rel=1e-12), step
        assert optimizer.param_groups[0]["momentum"] == pytest.approx(twin.param_groups[0]["momentum"]), step
        for trained, scheduler in ((optimizer, names["ours"]), (twin, names["theirs"])):
            trained.step()
            scheduler.step()


def test_the_table_for_keras_holds_every_rate() -> None:
    names: dict[str, Any] = {}

    exec(blocks("python", ELSEWHERE)[2], names)

    assert (names["rates"].dtype, names["rates"].shape) == ("float32", (600,))
    assert names["rates"][[0, 100, 300, 500]].tolist() == pytest.approx([0.001, 0.006, 0.0035, 0.00225])


def test_the_example_of_a_curve_of_others_works(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "learning-rates.md").read_text()
    [read] = [block for block in blocks("python", page) if "from_results" in block]
    lr = [1e-4 * 10 ** (step / 30) for step in range(150)]

    exec(read, {"lr": lr, "loss": [2.3 - 2 * math.exp(-(math.log(rate / 0.3) ** 2)) + rate for rate in lr]})

    assert capsys.readouterr().out.startswith("base_lr")


def test_the_example_of_a_checked_schedule_says_what_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    page = (ROOT / "docs" / "learning-rates.md").read_text()
    [check] = [block for block in blocks("python", page) if "check_schedule" in block]
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.1)

    def train_one_epoch(optimizer: torch.optim.Optimizer) -> None:
        for _ in range(64):
            optimizer.step()

    exec(check, {"torch": torch, "optimizer": optimizer, "train_one_epoch": train_one_epoch})

    shown = check.partition("print(check.report())\n")[2]
    assert capsys.readouterr().out == re.sub("^# ", "", shown, flags=re.MULTILINE)


def test_the_pictures_of_the_policies_are_those_that_the_commands_beside_them_draw(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "learning-rates.md").read_text()

    ran = shell(*blocks("sh", page), tmp_path)

    assert ran.returncode == 0, ran.stderr
    drawn = sorted(tmp_path.glob("*.svg"))
    assert [picture.name for picture in drawn] == sorted(re.findall(r"\(schedules/(\w+\.svg)\)", page))
    for picture in drawn:
        assert picture.read_bytes() == (ROOT / "docs" / "schedules" / picture.name).read_bytes()


def test_ones_own_workload_goes_from_nothing_to_bounds(
    plugin: tuple[Path, subprocess.CompletedProcess[str]], service: str, tmp_path: Path
) -> None:
    _, made = plugin
    assert made.returncode == 0, made.stdout + made.stderr
    assert "all is well" in made.stdout

    tested = shell(blocks("sh", PLUGINS)[1], tmp_path, CLR_URL=f"http://127.0.0.1:{service}")

    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert "max_lr" in tested.stdout


def test_ones_own_workload_is_measured_without_a_worker(
    plugin: tuple[Path, subprocess.CompletedProcess[str]], service: str, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{service}"

    measured = shell(blocks("sh", PLUGINS)[2], tmp_path, CLR_URL=url, PYTHONPATH=str(plugin[0]))

    assert measured.returncode == 0, measured.stdout + measured.stderr
    assert "max_lr" in measured.stdout


def test_the_findings_of_a_check_are_as_they_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    for plugin in ("broken", "unusual"):
        monkeypatch.syspath_prepend(str(ROOT / "tests" / "plugins" / plugin))
    broken = ("missing", "misnamed", "loose", "shifting-held-out", "deaf", "regression", "half-used")
    said: list[str] = []

    for name in (*broken, "sparse-adam", "leaves-one", "summed", "either-dim"):
        check(name, None, num_steps=5, say=said.append)

    assert [line for line in blocks("text", PLUGINS)[0].splitlines() if line not in said] == []


def test_a_data_loader_as_it_is_shown_follows_the_seed() -> None:
    inputs, targets = torch.arange(40.0).reshape(20, 2), torch.arange(20)

    def order(seed: int) -> list[int]:
        names = {"inputs": inputs, "targets": targets, "batch_size": 4, "seed": seed, "torch": torch}
        exec(
            blocks("python", PLUGINS)[0],
            names | {"DataLoader": DataLoader, "TensorDataset": TensorDataset},
            names,
        )
        return [int(target) for _, batch in names["batches"] for target in batch]

    assert order(0) == order(0)
    assert order(0) != order(1)


def test_the_table_of_states_is_the_status_machine() -> None:
    told = dict(re.findall(r"^\| (\w+) \| ([\w, ]+) \|$", README, re.MULTILINE))
    told.pop("status")

    assert told == {
        status: ", ".join(sorted(moves)) for status, moves in MOVES.items() if status not in FINAL
    }


def test_every_promise_of_the_fault_contract_names_the_tests_that_prove_it() -> None:
    contract = (ROOT / "docs" / "operations.md").read_text().partition("## Fault contract")[2]
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    promises = re.findall(r"^\| (?!fault|---).+$", contract, re.MULTILINE)

    assert len(promises) > 10
    for promise in promises:
        named = re.findall(r"`(test_\w+)`", promise)
        assert named, promise
        assert [name for name in named if f"def {name}(" not in tests] == []


def test_the_page_of_the_api_shows_every_route_with_curl_and_in_python() -> None:
    """Those by which a caller measures, streams and keys have pages of their own."""
    shown: dict[str, set[tuple[str, str]]] = {"curl": set(), "python": set()}
    for path, rest in re.findall(r"api ['\"]?(/[^'\"\s?|]*)([^|\n]*)", "".join(blocks("sh", API))):
        method = re.search(r"-X (\w+)", rest)
        shown["curl"].add((method[1] if method else "POST" if " -d " in rest else "GET", path))
    for method, path in re.findall(r'call\("(\w+)", f?"(/[^"?]*)', "".join(blocks("python", API))):
        shown["python"].add((method, path))

    for template, operations in create_app(Settings()).openapi()["paths"].items():
        if re.fullmatch(r"/(keys|session|audit).*|.*/(ask|points|finish|events)", template):
            continue
        pattern = re.compile(re.sub(r"\\{\w+\\}", r"[^/]+", re.escape(template)))
        for method in operations:
            for language, routes in shown.items():
                assert any(verb == method.upper() and pattern.fullmatch(path) for verb, path in routes), (
                    language,
                    method,
                    template,
                )


def test_the_page_of_the_api_works_with_curl(service: str, tmp_path: Path) -> None:
    ran = shell("".join(blocks("sh", API)), tmp_path, CLR_URL=f"http://127.0.0.1:{service}")

    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr
    assert "<svg" in (tmp_path / "bounds.svg").read_text()


def test_the_page_of_the_api_works_in_python(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLR_URL", f"http://127.0.0.1:{service}")
    names: dict[str, Any] = {}

    exec("".join(blocks("python", API)), names)

    assert names["bounds"]["base_lr"] < names["bounds"]["max_lr"]


def test_every_setting_is_documented_with_its_default() -> None:
    text = (ROOT / "docs" / "settings.md").read_text()

    for name, field in Settings.model_fields.items():
        default = "" if field.default in ("", [], None) else f"`{field.default}`"
        assert f"| `CLR_{name.upper()}` | {default} | {field.description} |" in text


# Those of curl 7.68 (Ubuntu 20.04) that a document may need; newer ones, as --json of 7.82, are refused.
OLD_CURL = set("sSfoOLNiIXHdFGkuw") | {
    *("silent", "show-error", "fail", "output", "location", "no-buffer", "include", "head", "request"),
    *("header", "data", "data-binary", "data-raw", "data-urlencode", "get", "user", "write-out"),
    *("max-time", "connect-timeout", "retry", "unix-socket"),
}  # fmt: skip


def curl_options(page: str) -> list[str]:
    """The options of every curl command on a page, without their dashes; `-sS` is two."""
    found = []
    for command in re.finditer(r"\bcurl\s((?:'[^']*'|\"[^\"]*\"|\\\n|[^'\"\n|;)`])*)", page):
        unquoted = re.sub(r"'[^']*'|\"[^\"]*\"", "''", command[1])
        for word in re.findall(r"(?<=\s)-[-\w]+|^-[-\w]+", unquoted):
            found += [word[2:]] if word.startswith("--") else list(word[1:])
    return found


def test_every_curl_command_works_with_the_curl_of_older_systems() -> None:
    folders = ("docs", "benchmarks", "clr_tuner", "api", "worker", "store", "clr", "migrations", "examples")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.is_file()]
    pages = [
        file
        for file in (*ROOT.glob("*"), *files)
        if file.suffix in (".md", ".in", ".py", ".yml", ".toml", "")
    ]
    commands = 0

    for page in pages:
        options = curl_options(page.read_text()) if page.is_file() else []
        commands += len(options)
        assert set(options) <= OLD_CURL, page

    assert commands > 20


def test_a_newer_option_of_curl_would_be_noticed() -> None:
    page = (
        """curl -sS localhost:8000/jobs --json '{"--a": 1}' | sed -n 's/-x//' and `curl --fail-with-body x`"""
    )

    assert curl_options(page) == ["s", "S", "json", "fail-with-body"]


def test_every_link_leads_somewhere() -> None:
    for page in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("https://") or (page.parent / link).exists(), f"{page.name}: {link}"
