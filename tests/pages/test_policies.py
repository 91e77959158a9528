"""What the page's forms fill in for a schedule is a schedule, of every policy; read by the page's own JavaScript."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from playwright._impl import _driver as playwright

import pages.routes
from clr.policies import by_policy, parse_schedule

MODULE = Path(pages.routes.__file__).parent / "static" / "policies.js"
STEPS = 4000
POLICIES = sorted(by_policy())
REQUIRED = {
    name: [field for field, about in policy.model_fields.items() if about.is_required()]
    for name, policy in by_policy().items()
}


@pytest.fixture(scope="module")
def written() -> Any:
    """{start, completed, flat}, each {policy: its schedule}."""
    script = f"""
const {{ START, complete, flat }} = await import("{MODULE.as_uri()}");
const required = JSON.parse(process.argv[1]);
const entries = Object.entries(required);
const each = (make) => Object.fromEntries(entries.map(([policy, names]) => [policy, make(policy, names)]));
const start = each((policy, names) => ({{ ...Object.fromEntries(names.map((name) => [name, START[name]])), policy }}));
const completed = each((policy, names) => complete({{ policy }}, names, {STEPS}).schedule);
console.log(JSON.stringify({{ start, completed, flat: each((policy) => flat(start[policy])) }}));
"""
    node, *_ = playwright.compute_driver_executable()
    command = [node, "--input-type=module", "--eval", script, json.dumps(REQUIRED)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_designer_begins_with_a_curve_of_every_policy(written: Any, policy: str) -> None:
    schedule = parse_schedule(written["start"][policy])

    assert len({schedule(step) for step in range(STEPS)}) > (1 if policy != "fixed" else 0)


@pytest.mark.parametrize("policy", [name for name in POLICIES if name != "staged"])
def test_what_is_left_out_is_drawn_with_something_in_its_place(written: Any, policy: str) -> None:
    schedule = parse_schedule(written["completed"][policy])

    assert 0 < min(map(schedule, range(STEPS - 1))) <= max(map(schedule, range(STEPS))) <= 0.01


@pytest.mark.parametrize("policy", POLICIES)
def test_an_address_says_all_of_a_schedule(written: Any, policy: str) -> None:
    for name, value in written["start"][policy].items():
        said = written["flat"][policy][name]
        if isinstance(value, list):
            assert json.loads(said if isinstance(value[0], dict) else f"[{said}]") == value
        else:
            assert said == value
