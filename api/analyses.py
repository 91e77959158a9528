"""A stored curve read again: by our rule as it is now, or by another finder's. No GPU."""

from typing import Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, field_validator

from api.errors import Problem, invalid
from api.job_routes import measured
from api.jobs import JobId, find
from api.openapi import responses
from api.requests.body import Body, Moment, moment, require_json
from api.resources import ResourcesDep
from clr.analysis import read_bounds
from clr.bounds import Bounds
from clr.finders import RULES, VERSION, list_candidates
from clr.optimizers import momentum_of, parse_optimizer
from clr.spelling import did_you_mean
from clr.sweep import Sweep, is_sweep
from store import analyses
from store.models import Analysis, Job
from store.status import FINAL, Kind, Outcome

OURS = "bounds"

router = APIRouter(prefix="/range-tests/{id}/analyses", tags=["range tests"])


class AnalysisRequest(Body):
    """Which rule to ask."""

    model_config = ConfigDict(json_schema_extra={"examples": [{}, {"rule": "valley"}]})

    rule: str = Field(default=OURS, description=f"one of {', '.join([OURS, *RULES])}")

    @field_validator("rule")
    @classmethod
    def _known(cls, rule: str) -> str:
        if rule not in (OURS, *RULES):
            listed = f"must be one of {', '.join([OURS, *RULES])}"
            raise invalid("/rule", did_you_mean(rule, [OURS, *RULES]) + listed)
        return rule


class AnalysisView(BaseModel):
    """What one version of one rule says; `outcome`: bounds_found, inconclusive, lr_found or no_lr."""

    analyzer: str = Field(description="rule@version")
    outcome: str
    result: dict[str, Any]
    created_at: Moment


class Analyses(BaseModel):
    """Every analysis of a range test, newest first."""

    items: list[AnalysisView]


@router.post("", dependencies=[Depends(require_json)], responses=responses(400, 404, 409, 413, 415, 422))
def analyse(resources: ResourcesDep, job_id: JobId, body: AnalysisRequest) -> AnalysisView:
    """Ask a rule about the stored points; kept by the rule's version, so that a newer one can be compared."""
    job, stored = measured(resources, job_id, kind=Kind.RANGE_TEST)
    if job.status not in FINAL:
        raise Problem(409, "job_not_final", f"the job is {job.status}: wait until it is final")
    sweeps = [
        Sweep.from_columns(sweep.plan, sweep.series)
        for sweep in stored
        if sweep.finished and is_sweep(sweep.plan)
    ]
    if not sweeps:
        raise Problem(409, "no_points", "no sweep was measured to its end")
    analyzer, outcome, result = _ours(job, sweeps) if body.rule == OURS else _other(body.rule, sweeps)
    with resources.database.write() as session:
        return _view(analyses.keep(session, job.id, analyzer, outcome=outcome, result=result))


@router.get("", responses=responses(404))
def list_analyses(resources: ResourcesDep, job_id: JobId) -> Analyses:
    """What was asked so far."""
    find(resources, job_id, kind=Kind.RANGE_TEST)
    with resources.database.read() as session:
        return Analyses(items=[_view(row) for row in analyses.of_job(session, job_id)])


def _ours(job: Job, sweeps: list[Sweep]) -> tuple[str, str, dict[str, Any]]:
    found = read_bounds(
        sweeps,
        steps_per_epoch=(job.result or {}).get("steps_per_epoch"),
        optimizer=job.config["optimizer"]["name"],
        momentum=momentum_of(parse_optimizer(job.config["optimizer"]).model_dump()),
    )
    outcome = Outcome.BOUNDS_FOUND if isinstance(found, Bounds) else Outcome.INCONCLUSIVE
    return found.analyzer, outcome, found.to_dict()


def _other(rule: str, sweeps: list[Sweep]) -> tuple[str, str, dict[str, Any]]:
    found = [one for one in list_candidates(sweeps) if one.name == rule]
    lr = found[0].lr if found else None
    note = found[0].note if found else "this rule reads an exponential sweep, and none was measured"
    return f"{rule}@{VERSION}", "no_lr" if lr is None else "lr_found", {"lr": lr, "note": note}


def _view(row: Analysis) -> AnalysisView:
    return AnalysisView(
        **{name: getattr(row, name) for name in ("analyzer", "outcome", "result")}
        | {"created_at": moment(row.created_at)}
    )
