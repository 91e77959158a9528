"""What one is told where a framework is not installed."""

import sys
from importlib.util import find_spec, module_from_spec

import pytest


@pytest.mark.parametrize("framework", ["keras", "mlflow", "skorch", "wandb"])
def test_a_framework_that_is_missing_is_named_with_what_installs_it(
    framework: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [framework, *(name for name in sys.modules if name.startswith(f"{framework}."))]:
        monkeypatch.setitem(sys.modules, name, None)
    spec = find_spec(f"clr_tuner.integrations.{framework}")
    assert spec is not None
    assert spec.loader is not None

    with pytest.raises(ImportError, match=f"pip install '{framework}.*>="):
        spec.loader.exec_module(module_from_spec(spec))
