"""MMLU (Hendrycks et al. 2021, arXiv:2009.03300): four lettered options, all four rotations averaged."""

from pydantic import PositiveInt

from holdfast.instruments.base import DataSet, TypicalPrompts
from holdfast.instruments.lettered import Lettered
from holdfast.instruments.style import Style
from holdfast.records import Item


class MMLU(Lettered):
    """Options: `rotations`, at most the number of options."""

    name, domain_name, rank = "mmlu", "knowledge", 2
    data_set = DataSet(name="cais/mmlu", folder="mmlu", config="all", train="validation", num_train=1531, num_test=14042)
    typical = TypicalPrompts(per_item=4, chars=494, choice_chars=8)

    def __init__(self, style: Style, rotations: PositiveInt = 4):
        super().__init__(style)
        self.rotations = rotations

    def orders(self, item: Item) -> list[list[int]]:
        """Rotations of the row's own order. See `Lettered.orders`."""
        count = len(item.fields["choices"])
        return [[(i + shift) % count for i in range(count)] for shift in range(min(self.rotations, count))]


INSTRUMENT = MMLU
