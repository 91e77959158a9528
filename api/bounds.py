"""What a range test found: its bounds, its picture."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from pydantic import BaseModel, Field

from api.drawing import draw_range_test
from api.errors import Problem, invalid, invalid_fields
from api.finality import NO_CHANGE, has_it, headers_of, tag_if_final, unchanged
from api.jobs import POLL_S, JobId, JobView, find
from api.openapi import carrying, responses
from api.pictures import PICTURES, answer_picture
from api.requests.workload import SETUP
from api.security import ResourcesDep
from clr.bounds import Bounds
from clr.candidate import Candidate
from clr.collapse import Collapse
from clr.confirmation import Confirmation
from clr.picture_format import PictureFormat
from clr.sensitivity import Sensitivity
from clr.snippets import Framework, say_optimizer
from clr.training_rates import Basis
from clr.turn import Turn
from store.status import FINAL, Driver, Kind, Outcome, Status

PRECISION = "float32"  # of every range test that a worker measures
WHY = ("why", "next_experiment", "candidates", "warnings", "analyzer")  # of a result that is inconclusive

router = APIRouter(prefix="/range-tests/{id}", tags=["range tests"])


class Cost(BaseModel):
    """What it took: updates of all sweeps and of a confirmation, and seconds from the first claim to the end."""

    steps: int
    seconds: float
    unread_steps: int = Field(description="measured ahead by idle slots, and not asked for")


class ForBudget(BaseModel):
    """Whole cycles for a budget, the paper's 2 to 10 epochs to half a cycle, 4 cycles where they fit, and the rates for
    a training of that length under `policy`."""

    num_steps: int
    step_size: int
    num_cycles: int
    policy: str
    base_lr: float
    max_lr: float = Field(description="not that of the range test where so long a training does better so")
    max_lr_interval: tuple[float, float]
    constant_lr: float = Field(description="what fixed trains at: their geometric mean")
    basis: Basis = Field(
        description="edge: such a training bears the range test's rates; turn: lowered, as it would overfit; "
        "collapse: lowered, as it would lose what it had learned; length: lowered, as was measured for such lengths; "
        "training: those with which such trainings ended best, with effort thorough; unknown: perhaps lowered, and "
        "nobody saw a training go so far"
    )
    reason: str


class BoundsView(BaseModel):
    """The recommended bounds, each with its interval, its rule and its reason."""

    base_lr: float
    max_lr: float
    constant_lr: float = Field(description="for training without cycles: the geometric mean of both")
    base_lr_interval: tuple[float, float]
    max_lr_interval: tuple[float, float]
    rule_base: str
    rule_max: str
    reason_base: str
    reason_max: str
    evidence: dict[str, Any]
    step_size: int = Field(description="steps in half a cycle")
    steps_per_epoch: float | None
    warnings: list[str]
    candidates: list[Candidate]
    sensitivity: Sensitivity | None = Field(
        default=None, description="what a max_lr off by a factor loses; null after a quick test"
    )
    analyzer: str | None = Field(default=None, description="rule@version that found them")
    measured_by: Driver = Field(description="a worker of the service, or the client that asked for the job")
    depends_on: dict[str, Any] = Field(description="what other bounds would be found for")
    cost: Cost
    turn: Turn | None = Field(
        default=None,
        description="sums of rates: where training on began to overfit, and how far none did; null where accuracy "
        "decides and did not fall",
    )
    collapse: Collapse | None = Field(
        default=None,
        description="the rate beyond which a probe of so many steps lost what it had learned; null where it bore all, "
        "or there was none",
    )
    breaks_at: float | None = Field(
        default=None, description="the rate at which the scout lost all that it had learned, or broke off"
    )
    confirmation: Confirmation | None = Field(default=None, description="with effort thorough")
    for_budget: ForBudget | None = Field(description="with num_steps or num_epochs")
    snippet: str = Field(
        description="code to paste that trains under `policy`, within the budget if one is told"
    )


@router.get(
    "/bounds",
    response_model=BoundsView,
    responses=responses(
        404,
        409,
        422,
        _202=carrying("Retry-After") | {"model": JobView, "description": "not ready yet"},
    )
    | NO_CHANGE,
)
def get_bounds(
    resources: ResourcesDep,
    job_id: JobId,
    request: Request,
    response: Response,
    num_steps: Annotated[
        int | None,
        Query(
            ge=1, le=10**12, description="your budget, for for_budget and the snippet; default: the request's"
        ),
    ] = None,
    num_epochs: Annotated[
        float | None, Query(gt=0, le=1e9, allow_inf_nan=False, description="the same in epochs")
    ] = None,
    policy: Annotated[
        str | None,
        Query(
            description="what you train under, as triangular2 or one_cycle; default: the request's, triangular"
        ),
    ] = None,
    framework: Annotated[Framework, Query(description="what `snippet` is written for")] = "torch",
) -> Any:
    """The recommended bounds; 202 until the job is final.

    409 where there are none, by `code`: `inconclusive` with `why`, `next_experiment` and `candidates`;
    `job_failed` with `reason`; `job_cancelled`.
    """
    job = find(resources, job_id, kind=Kind.RANGE_TEST)
    if job.status not in FINAL:
        body = JobView.of(job).model_dump_json()
        return Response(body, 202, headers={"Retry-After": str(POLL_S)}, media_type="application/json")
    if job.status == Status.CANCELLED:
        raise Problem(409, "job_cancelled", "the job was cancelled before it found bounds")
    if job.status == Status.FAILED:
        raise Problem(409, "job_failed", job.message or "", reason=job.reason)
    result = job.result or {}
    if job.outcome == Outcome.INCONCLUSIVE:
        members = {name: result[name] for name in WHY if name in result}
        raise Problem(409, "inconclusive", result["message"], **members)
    tag = tag_if_final(request, job)
    if tag is not None and has_it(request, tag):
        return unchanged(tag)
    response.headers.update(headers_of(tag))
    bounds = Bounds.from_dict(result)
    ahead = job.config.get("for") or {}
    policy = policy or ahead.get("policy", "triangular")
    budget = {"num_steps": ahead.get("num_steps"), "num_epochs": ahead.get("num_epochs")}
    if num_steps is None and num_epochs is None and _can_train(bounds, policy, budget):
        num_steps, num_epochs = budget.values()
    return result | {
        "constant_lr": bounds.constant_lr,
        "measured_by": job.driver,
        "depends_on": {name: job.config[name] for name in SETUP}
        | {"precision": PRECISION if job.driver == Driver.WORKER else None, "data": result.get("data")},
        "cost": {
            "steps": (job.progress or {}).get("completed", 0),
            "seconds": (job.finished_at or 0.0) - (job.started_at or 0.0),
            "unread_steps": result.get("unread_steps", 0),
        },
        "for_budget": _fit_budget(bounds, policy, num_steps, num_epochs),
        "snippet": say_optimizer(job.config["optimizer"], framework)
        + _write_snippet(bounds, policy, framework, num_steps=num_steps, num_epochs=num_epochs),
    }


def _can_train(bounds: Bounds, policy: str, budget: dict[str, Any]) -> bool:
    """Whether there is a budget that this policy can have: an epoch may have no length, one_cycle needs 4 steps."""
    try:
        bounds.for_training(policy, **budget)
    except ValueError:
        return False
    return True


def _write_snippet(bounds: Bounds, policy: str, framework: Framework, **budget: Any) -> str:
    try:
        return bounds.snippet(policy, framework=framework, **budget)
    except ValueError as error:
        raise invalid("query:policy", str(error).removeprefix("policy: ")) from None


def _fit_budget(
    bounds: Bounds, policy: str, num_steps: int | None, num_epochs: float | None
) -> dict[str, Any] | None:
    if num_steps is None and num_epochs is None:
        return None
    if num_steps is not None and num_epochs is not None:
        raise invalid_fields([("query:num_epochs", "give num_steps or num_epochs, not both")])
    if num_epochs is not None and bounds.steps_per_epoch is None:
        raise invalid_fields(
            [("query:num_epochs", "this workload's epoch has no known length: give num_steps")]
        )
    try:
        return bounds.fit_budget(policy, num_steps=num_steps, num_epochs=num_epochs).for_budget
    except ValueError as error:
        raise invalid("query:policy", str(error).removeprefix("policy: ")) from None


@router.get("/plot.{format}", name="get_range_test_plot", response_class=Response, responses=PICTURES)
async def get_plot(
    resources: ResourcesDep, job_id: JobId, request: Request, format: PictureFormat
) -> Response:
    """The curve with both bounds and their intervals; of a running job, what there is.

    409 `no_points` until the first point is stored.
    """
    job = await run_in_threadpool(find, resources, job_id, kind=Kind.RANGE_TEST)
    return await answer_picture(
        request,
        resources.pool,
        resources.pictures,
        tag_if_final(request, job),
        format,
        draw_range_test,
        job_id,
    )
