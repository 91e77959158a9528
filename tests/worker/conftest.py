"""Data sets that no package brings, generated."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from store.settings import Settings
from tests.worker.datasets import write_cifar10, write_fashion_mnist
from worker.workloads import fashion_mnist, files


@pytest.fixture
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CLR_DATA_DIR, empty, on a machine without Debian's data packages; the folder of data sets in it."""
    monkeypatch.setattr(files, "get_settings", lambda: Settings(data_dir=tmp_path))
    monkeypatch.setattr(fashion_mnist, "DEBIAN", tmp_path / "absent")
    return tmp_path / "datasets"


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory with generated files of every data set that no package brings."""
    folder = tmp_path_factory.mktemp("generated")
    write_fashion_mnist(folder / "datasets" / "fashion-mnist")
    write_cifar10(folder / "datasets" / "cifar-10-batches-py")
    return folder


@pytest.fixture
def generated_data(generated: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """CLR_DATA_DIR with the generated files."""
    monkeypatch.setattr(files, "get_settings", lambda: Settings(data_dir=generated))
    return generated / "datasets"


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Small steps lose more by waiting for each other's threads than they gain, most of all on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
