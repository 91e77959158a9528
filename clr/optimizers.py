"""Optimizers by name with their parameters: what a request may say, checked without torch.

Names, parameters, defaults and ranges are torch's own, but for a momentum of 1 and more, with which updates grow for
ever, and the rate of Muon; the learning rate is not among them, as the sweep and the schedule set it.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    TypeAdapter,
    model_validator,
)

from clr.misnamed import refuse_misnamed

NonNegative = Annotated[float, Field(ge=0, le=1e6, strict=True, allow_inf_nan=False)]  # and a float32
Share = Annotated[float, Field(ge=0, le=1, strict=True, allow_inf_nan=False)]
Fraction = Annotated[float, Field(ge=0, lt=1, strict=True, allow_inf_nan=False)]
Coefficient = Annotated[float, Field(ge=-1e6, le=1e6, strict=True, allow_inf_nan=False)]
Betas = tuple[Fraction, Fraction]


class _Spec(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    weight_decay: NonNegative = 0.0


class SGD(_Spec):
    """torch.optim.SGD."""

    name: Literal["SGD"]
    momentum: Fraction = 0.0
    dampening: NonNegative = 0.0
    nesterov: StrictBool = False

    @model_validator(mode="after")
    def _nesterov_needs_momentum(self) -> "SGD":
        if self.nesterov and (self.momentum == 0 or self.dampening != 0):
            raise ValueError("nesterov needs momentum > 0 and dampening = 0")
        return self


class Adam(_Spec):
    """torch.optim.Adam."""

    name: Literal["Adam"]
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    amsgrad: StrictBool = False


class AdamW(_Spec):
    """torch.optim.AdamW; its weight decay is decoupled."""

    name: Literal["AdamW"]
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    amsgrad: StrictBool = False
    weight_decay: NonNegative = 0.01


class RMSprop(_Spec):
    """torch.optim.RMSprop."""

    name: Literal["RMSprop"]
    alpha: Share = 0.99
    eps: NonNegative = 1e-8
    momentum: Fraction = 0.0
    centered: StrictBool = False


class Adagrad(_Spec):
    """torch.optim.Adagrad."""

    name: Literal["Adagrad"]
    lr_decay: NonNegative = 0.0
    initial_accumulator_value: NonNegative = 0.0
    eps: NonNegative = 1e-10


class Adadelta(_Spec):
    """torch.optim.Adadelta."""

    name: Literal["Adadelta"]
    rho: Share = 0.9
    eps: NonNegative = 1e-6


class NAdam(_Spec):
    """torch.optim.NAdam."""

    name: Literal["NAdam"]
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    momentum_decay: NonNegative = 4e-3
    decoupled_weight_decay: StrictBool = False


class RAdam(_Spec):
    """torch.optim.RAdam."""

    name: Literal["RAdam"]
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8
    decoupled_weight_decay: StrictBool = False


class Adamax(_Spec):
    """torch.optim.Adamax."""

    name: Literal["Adamax"]
    betas: Betas = (0.9, 0.999)
    eps: NonNegative = 1e-8


class Adafactor(_Spec):
    """torch.optim.Adafactor; eps: of the squared gradient, by default that of the dtype, and of the weights' size."""

    name: Literal["Adafactor"]
    beta2_decay: Annotated[float, Field(ge=-1e6, le=0, strict=True, allow_inf_nan=False)] = -0.8
    eps: tuple[NonNegative | None, NonNegative] = (None, 1e-3)
    d: Annotated[float, Field(ge=1, le=1e6, strict=True, allow_inf_nan=False)] = 1.0


class Muon(_Spec):
    """torch.optim.Muon for 2-D weights, but those of embeddings, and AdamW with the same weight decay for the rest.

    adjust_lr_fn: "match_rms_adamw", so that one rate fits both; torch's own default is "original".
    """

    name: Literal["Muon"]
    weight_decay: NonNegative = 0.1
    momentum: Fraction = 0.95
    nesterov: StrictBool = True
    ns_coefficients: tuple[Coefficient, Coefficient, Coefficient] = (3.4445, -4.775, 2.0315)
    eps: NonNegative = 1e-7
    ns_steps: Annotated[StrictInt, Field(ge=0, lt=100)] = 5
    adjust_lr_fn: Literal["original", "match_rms_adamw"] = "match_rms_adamw"


class ASGD(_Spec):
    """torch.optim.ASGD; the weights that are trained and looked at are the last ones, not its average of them."""

    name: Literal["ASGD"]
    lambd: NonNegative = 1e-4
    alpha: NonNegative = 0.75
    t0: Annotated[float, Field(ge=0, le=1e30, strict=True, allow_inf_nan=False)] = 1e6


_Any = SGD | Adam | AdamW | RMSprop | Adagrad | Adadelta | NAdam | RAdam | Adamax | Adafactor | Muon | ASGD
MODELS: dict[str, type[BaseModel]] = {model.__name__: model for model in get_args(_Any)}
NAMES = tuple(MODELS)
_CANONICAL = {name.lower(): name for name in NAMES}


def _spell(value: Any) -> Any:
    """Accept a name in any case; keep torch's spelling."""
    if isinstance(value, dict) and isinstance(value.get("name"), str):
        return value | {"name": find_torchs(value["name"]) or value["name"]}
    return value


OptimizerSpec = Annotated[
    Annotated[_Any, Field(discriminator="name")],
    BeforeValidator(_spell),
]
_ADAPTER: TypeAdapter[_Any] = TypeAdapter(OptimizerSpec)


class Installed(BaseModel):
    """An optimizer that torch has not, by the name of its plugin (clr/optimizer_plugin.py), with its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: Annotated[str, Field(min_length=1, max_length=200)]

    @property
    def params(self) -> dict[str, Any]:
        """Everything but the name."""
        return self.model_dump(exclude={"name"})


AnyOptimizer = OptimizerSpec | Installed


def find_torchs(name: Any) -> str | None:
    """torch's spelling of a name in any case; None: torch has none of this name."""
    return _CANONICAL.get(name.lower()) if isinstance(name, str) else None


def parse_any(spec: dict[str, Any]) -> AnyOptimizer:
    """Check {"name", its parameters}; those of what torch has not are left to whoever has its plugin.

    Raises pydantic's ValidationError naming the parameter.
    """
    name = spec.get("name")
    is_installed = isinstance(name, str) and name and not find_torchs(name)
    return Installed.model_validate(spec) if is_installed else parse_optimizer(spec)


def parse_optimizer(spec: dict[str, Any]) -> OptimizerSpec:
    """Check {"name", its parameters}. Raises pydantic's ValidationError naming the parameter."""
    refuse_misnamed(_spell(spec), kind="optimizer", tag="name", models=MODELS, hint=_hint)
    return _ADAPTER.validate_python(spec)


# What users of torch look for: (the names, a parameter of the models that are meant, what to do).
_HINTS = (
    (
        ("lr", "learning_rate", "max_lr", "base_lr"),
        None,
        "a range test sweeps the rate from start_lr to end_lr, and a training follows its schedule",
    ),
    (("momentum", "beta", "beta1"), "betas", "use betas: the first is its momentum, as in [0.9, 0.999]"),
    (("beta2", "beta_1", "beta_2", "b1", "b2"), "betas", "use betas, the two in one, as in [0.9, 0.999]"),
    (("betas", "beta", "beta1", "beta_1"), "momentum", "use momentum, as in 0.9"),
    (("alpha", "beta2", "rho"), "rho", "use rho"),
    (("rho", "beta2", "beta_2"), "centered", "use alpha"),
    (("wd", "l2", "decay"), "weight_decay", "use weight_decay"),
    (("epsilon",), "eps", "use eps"),
    (("eps", "epsilon"), "momentum", "it divides by nothing that eps would guard: leave it out"),
    (("nesterov", "dampening"), None, "nesterov and dampening are SGD's: leave it out, or use SGD"),
    (
        ("fused", "foreach", "capturable", "differentiable", "maximize"),
        None,
        "it is chosen here: leave it out",
    ),
)


def _hint(model: type[BaseModel], name: str) -> str | None:
    fields = model.model_fields
    hints = (hint for names, leads_to, hint in _HINTS if name in names and leads_to in (None, *fields))
    return next(hints, None)
