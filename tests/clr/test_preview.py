"""A schedule column by column."""

from clr.policies import parse_schedule
from clr.preview import Preview


def test_it_holds_none_where_a_policy_has_no_cycles() -> None:
    preview = Preview.of(parse_schedule({"policy": "fixed", "lr": 0.1}), range(2))

    assert preview.model_dump() == {
        "step": [0, 1],
        "lr": [0.1, 0.1],
        "cycle": [None, None],
        "x": [None, None],
    }
