"""A command whose help lists every policy, which is read no sooner: their models are half of what --help would take."""

from typing import Any

from typer.core import TyperCommand


class PolicyCommand(TyperCommand):
    """In its epilog $policies stands for their names, $options for a line of each with its options."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        from clr.policies import by_policy  # noqa: PLC0415 - see above
        from clr_tuner.commands.policies import describe_policies  # noqa: PLC0415

        names = ", ".join(by_policy())
        epilog = (self.epilog or "").replace("$policies", names)
        self.epilog = epilog.replace("$options", describe_policies())
        super().format_help(ctx, formatter)
