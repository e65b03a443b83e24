"""MMLU (Hendrycks et al. 2021, arXiv:2009.03300): four lettered options, all four rotations averaged."""

from __future__ import annotations

from holdfast.instruments.benchmarks.lettered import Lettered
from holdfast.instruments.style import Style
from holdfast.records import Item


class MMLU(Lettered):
    name = "mmlu"

    def __init__(self, style: Style, rotations: int = 4):
        super().__init__(style)
        self.rotations = rotations

    def orders(self, item: Item) -> list[list[int]]:
        count = len(item.fields["choices"])
        return [[(i + shift) % count for i in range(count)] for shift in range(min(self.rotations, count))]


INSTRUMENT = MMLU
