"""GSM8K (Cobbe et al. 2021, arXiv:2110.14168): greedy reply; the number after the first '####' that is not taken back, else in the last box, else the last one."""

from holdfast import parsing
from holdfast.instruments.base import Answered, DataSet, Instrument, TypicalPrompts, with_shots
from holdfast.instruments.scoring import trial_of
from holdfast.records import Item, Prompt, Trial


class GSM8K(Instrument):
    """An unparsed reply scores 0. score_strict accepts a number after '####' only."""

    name, form, domain_name, rank = "gsm8k", "generated", "maths", 1
    takes_shots = verifiable = True
    data_set = DataSet(name="openai/gsm8k", folder="gsm8k", config="main", train="train", num_train=7473, num_test=1319)
    typical = TypicalPrompts(per_item=1, chars=234, choice_chars=0, written=256)

    def prompts(self, item: Item) -> list[Prompt]:
        """One prompt, answered by a generated reply. See `Instrument.prompts`."""
        shots = [(s["question"], s["solution"]) for s in item.fields.get("shots", [])]
        messages = with_shots(self.style, shots, item.fields["question"], "\n")
        return [Prompt(condition="neutral", messages=messages, max_new_tokens=self.style.new_tokens, plain=self.style.plain)]

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        """One trial with `score` and `score_strict`. See `Instrument.trials`."""
        ((prompt, response),) = answered
        value, marked = parsing.final_number(response.text or "")
        right = value is not None and value == parsing.number(item.fields["answer"])
        outcome = "unparsed" if value is None else "correct" if right else "other"
        scores = {"score": float(right), "score_strict": float(right and marked)}
        return [trial_of(item, prompt, response, outcome=outcome, **scores, apologised=False)]


INSTRUMENT = GSM8K
