"""The code to paste does in torch what the bounds say."""

import torch

from api.snippets import torch_snippet


def test_the_pasted_scheduler_rises_from_base_lr_to_max_lr_in_step_size_steps() -> None:
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)])
    pasted = {"optimizer": optimizer}
    exec(torch_snippet({"base_lr": 0.025, "max_lr": 0.1, "step_size": 3}), pasted)

    rates = []
    for _ in range(7):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        pasted["scheduler"].step()  # type: ignore[attr-defined]

    torch.testing.assert_close(rates, [0.025, 0.05, 0.075, 0.1, 0.075, 0.05, 0.025])
