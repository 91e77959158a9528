"""A curve read without a GPU: a stored one again, by our rule or another finder's, or one that others measured."""

import math
from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.curves import find_with_runs
from api.errors import Problem, invalid
from api.examples.bounds import CURVE_TO_READ
from api.jobs import JobId, find
from api.openapi import responses
from api.pointers import pointer_to
from api.requests.body import Body, Moment, moment, require_json
from api.requests.looks import MOST_POINTS, Looks, Number, nan_for_null
from api.security import ResourcesDep
from clr.analysis import read_bounds
from clr.bounds import Bounds, Inconclusive
from clr.finders import RULES, VERSION, list_candidates
from clr.momentum import momentum_of
from clr.results import BadResults, find_end
from clr.spelling import did_you_mean
from clr.sweep import FEWEST_RESULTS, Sweep, read_sweeps
from store import analyses
from store.models import Analysis, Job
from store.status import FINAL, Kind, Outcome

OURS = "bounds"

OF_RANGE_TEST = "/range-tests/{id}/analyses"
router = APIRouter(tags=["range tests"])


class AnalysisRequest(Body):
    """Which rule to ask."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"rule": "valley"}]})

    rule: str = Field(default=OURS, description=f"one of {', '.join([OURS, *RULES])}")

    @field_validator("rule")
    @classmethod
    def _refuse_unknown(cls, rule: str) -> str:
        if rule not in (OURS, *RULES):
            advice = f"must be one of {', '.join([OURS, *RULES])}"
            raise invalid("/rule", did_you_mean(rule, [OURS, *RULES]) + advice)
        return rule


class CurveRequest(Body):
    """An upward sweep of the learning rate, whoever measured it: a value a step."""

    model_config = ConfigDict(json_schema_extra={"examples": [CURVE_TO_READ]})

    lr: list[Number] = Field(max_length=MOST_POINTS, description=f"rising; at least {FEWEST_RESULTS}")
    loss: list[Number | None] = Field(
        max_length=MOST_POINTS,
        description="of each batch before its update; null where not finite, which ends the curve",
    )
    held_out: Looks | None = None


class CurveAnalysisView(BaseModel):
    """What our rule says of it: the fields of bounds, or `why`, `message` and `next_experiment`."""

    analyzer: str = Field(description="rule@version")
    outcome: Outcome = Field(description="bounds_found or inconclusive")
    result: dict[str, Any]


class AnalysisView(BaseModel):
    """What one version of one rule says; `outcome`: bounds_found, inconclusive, lr_found or no_lr."""

    analyzer: str = Field(description="rule@version")
    outcome: str
    result: dict[str, Any]
    created_at: Moment


class Analyses(BaseModel):
    """Every analysis of a range test, newest first."""

    items: list[AnalysisView]


@router.post(
    OF_RANGE_TEST, dependencies=[Depends(require_json)], responses=responses(400, 404, 409, 413, 415, 422)
)
def analyse(resources: ResourcesDep, job_id: JobId, body: AnalysisRequest) -> AnalysisView:
    """Ask a rule about the stored points; kept by the rule's version, so that a newer one can be compared."""
    job, runs = find_with_runs(resources.database, job_id, kind=Kind.RANGE_TEST)
    if job.status not in FINAL:
        raise Problem(409, "job_not_final", f"the job is {job.status}: wait until it is final")
    sweeps = read_sweeps(run for run in runs if run.finished)
    if not sweeps:
        raise Problem(409, "no_points", "no sweep was measured to its end")
    analyzer, outcome, result = (
        _ask_ours(job, sweeps) if body.rule == OURS else _ask_another(body.rule, sweeps)
    )
    with resources.database.write() as session:
        return _view(analyses.keep(session, job.id, analyzer, outcome=outcome, result=result))


@router.get(OF_RANGE_TEST, responses=responses(404))
def list_analyses(resources: ResourcesDep, job_id: JobId) -> Analyses:
    """What was asked so far."""
    find(resources, job_id, kind=Kind.RANGE_TEST)
    with resources.database.read() as session:
        return Analyses(items=[_view(row) for row in analyses.of_job(session, job_id)])


@router.post("/analyses", dependencies=[Depends(require_json)], responses=responses(400, 413, 415, 422))
def analyse_curve(body: CurveRequest) -> CurveAnalysisView:
    """Read bounds off a curve that somebody else measured; nothing is stored."""
    held_out = None if body.held_out is None else _read_looks(body.held_out)
    losses, warnings = _cut_short(list(map(nan_for_null, body.loss)))
    try:
        sweep = Sweep.from_results(body.lr, losses, held_out=held_out)
    except BadResults as error:
        raise invalid(pointer_to(*error.path), error.message) from None
    answer = read_bounds([sweep], warnings=warnings)
    return CurveAnalysisView(analyzer=answer.analyzer, outcome=tell_outcome(answer), result=answer.to_dict())


def _cut_short(losses: list[float]) -> tuple[list[float], list[str]]:
    """The losses with nothing finite after the first that is not, and a sentence where there was."""
    end, left_out = find_end(losses)
    if not left_out:
        return losses, []
    warning = f"the loss of step {end} is null: {left_out} losses after it are left out"
    return losses[:end] + [math.nan] * (len(losses) - end), [warning]


def _read_looks(looks: Looks) -> dict[str, Any]:
    shares = looks.accuracy or []
    has_shares = any(share is not None for share in shares)
    return {
        "step": looks.step,
        "loss": list(map(nan_for_null, looks.loss)),
        "accuracy": list(map(nan_for_null, shares)) if has_shares else None,
    }


def _ask_ours(job: Job, sweeps: list[Sweep]) -> tuple[str, str, dict[str, Any]]:
    answer = read_bounds(
        sweeps,
        steps_per_epoch=(job.result or {}).get("steps_per_epoch"),
        optimizer=job.config["optimizer"]["name"],
        momentum=momentum_of(job.config["optimizer"]),
    )
    return answer.analyzer, tell_outcome(answer), answer.to_dict()


def tell_outcome(answer: Bounds | Inconclusive) -> Outcome:
    """What a job says whose answer this is."""
    return Outcome.BOUNDS_FOUND if isinstance(answer, Bounds) else Outcome.INCONCLUSIVE


def _ask_another(rule: str, sweeps: list[Sweep]) -> tuple[str, str, dict[str, Any]]:
    candidates = [candidate for candidate in list_candidates(sweeps) if candidate.name == rule]
    lr = candidates[0].lr if candidates else None
    note = candidates[0].note if candidates else "this rule reads an exponential sweep, and none was measured"
    return f"{rule}@{VERSION}", "no_lr" if lr is None else "lr_found", {"lr": lr, "note": note}


def _view(row: Analysis) -> AnalysisView:
    return AnalysisView(
        **{name: getattr(row, name) for name in ("analyzer", "outcome", "result")}
        | {"created_at": moment(row.created_at)}
    )
