"""What a benchmark and an axis have in common, and what each declares for the audits, the starter, the planner and the configuration."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, NamedTuple

from holdfast.instruments.style import Style
from holdfast.records import Contrast, Detection, Example, Item, Message, Prompt, Response, Trial

Answered = list[tuple[Prompt, Response]]


class Options(NamedTuple):
    """The options of one item, as texts, and the index of the right one."""

    texts: tuple[str, ...]
    gold: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSet:
    """An instrument's published rows: `name` on the hub, `folder` under data.root, `config` of the hub's loader.

    `train`: split meant for training, None if there is one split only; `test`: split that is evaluated; `num_train`, `num_test`: their
    rows. `local`: (split, file name without suffix) where these differ. `files`: each split is one data file of the repository.
    """

    name: str
    folder: str
    config: str | None = None
    train: str | None = None
    test: str = "test"
    num_train: int = 0
    num_test: int = 0
    local: tuple[tuple[str, str], ...] = ()
    files: bool = False


class TypicalPrompts(NamedTuple):
    """Sizes assumed by the planner for rows it cannot read: prompts per item; per prompt, characters and tokens to be written."""

    per_item: int = 4
    chars: int = 500
    choice_chars: int = 10
    written: int = 0


def with_shots(style: Style, shots: Sequence[tuple[str, str]], user: str, separator: str = "") -> tuple[Message, ...]:
    """A user's text after solved examples: as earlier turns, or in a single text for a plain style.

    Args:
        style: words and layout; only `style.plain` is read.
        shots: (user text, reply) of each solved example.
        user: text of the question itself.
        separator: stands between an example's text and its reply in a plain style.
    Returns:
        the messages of the prompt, the last one from the user.
    """
    if style.plain:
        return (Message("user", "".join(f"{asked}{separator}{reply}\n\n" for asked, reply in shots) + user),)
    turns = [turn for asked, reply in shots for turn in (Message("user", asked), Message("assistant", reply))]
    return (*turns, Message("user", user))


class Instrument:
    """Items -> prompts -> trials. A subclass declares the facts below and implements `prompts` and `trials`.

    Every fact has a default with which the instrument is audited, planned and offered by `init`; a subclass states what differs.

    Attributes:
        name: equal to the module's name.
        kind: "benchmark" (a score in [0, 1]) or "axis" (contrasts between conditions).
        form: how answers become numbers: "mass", "loglik" or "generated".
        conditions: under which every item is asked, the neutral one first.
        contrasts: declared effects; an axis has one headline. A positive headline: gives way more.
        detection: hits and false alarms of signal detection, if they are defined.
        items_like: the instrument whose items are asked, for one that asks those of another in its own way.
        read: a benchmark's row (a dict with `_source`, "file:line") -> fields, `question` or `context` among them; raises DataError for a
            malformed row. Such rows can be asked and trained on. Without it, rows are read by the form of the instrument's name in
            `sources/forms`, or, for an axis, by one of `sources/forms/axes`.
        example: (fields, `sources.forms.ExampleLayout`) -> a training conversation, of rows that are not lettered questions.
        items_of: makes items of all rows at once: (rows, form as the study names it or None, limit, seed) -> items.
        data_set: its published rows.
        takes_shots: solved examples (`item.fields["shots"]`) stand before the question.
        domain_name: name of the domain that `init` trains on its rows; empty: the instrument's name.
        verifiable: answers can be checked by a computation.
        typical: sizes assumed where rows cannot be read.
        rank: place in studies that `init` writes; ties are ordered by name.
    """

    name: ClassVar[str]
    kind: ClassVar[Literal["benchmark", "axis"]] = "benchmark"
    form: str = "mass"
    conditions: ClassVar[tuple[str, ...]] = ("neutral",)
    contrasts: ClassVar[tuple[Contrast, ...]] = ()
    detection: ClassVar[Detection | None] = None
    items_like: ClassVar[str | None] = None
    read: ClassVar[Callable[[dict[str, Any]], dict[str, Any]] | None] = None
    example: ClassVar[Callable[..., Example] | None] = None
    items_of: ClassVar[Callable[..., list[Item]] | None] = None
    data_set: ClassVar[DataSet | None] = None
    takes_shots: ClassVar[bool] = False
    domain_name: ClassVar[str] = ""
    verifiable: ClassVar[bool] = False
    typical: ClassVar[TypicalPrompts] = TypicalPrompts()
    rank: ClassVar[int] = 100

    def __init__(self, style: Style):
        self.style = style

    @classmethod
    def knows(cls, row: Mapping[str, Any]) -> bool:
        """Whether a row is the instrument's own, for one with `read` or `items_of`; `init` finds its files by it.

        Args:
            row: a row of a data file.
        Returns:
            False unless a subclass says otherwise: rows are then recognized by their form.
        """
        return False

    @classmethod
    def options(cls, item: Item) -> Options | None:
        """What a rule that never reads the question chooses from; the audits answer_key, shortcuts and order read it.

        Args:
            item: an item of the instrument.
        Returns:
            options and key; None for an item without them, or whose question cannot be separated from its conditions (an axis).
        """
        fields = item.fields
        texts, gold = fields.get("choices") or fields.get("endings"), fields.get("gold")
        asked = "question" in fields or "context" in fields
        return Options(tuple(texts), int(gold)) if asked and texts and gold is not None else None

    @classmethod
    def stem(cls, item: Item) -> str:
        """Question or text of an item, by which copies of it among training rows are found.

        Args:
            item: an item of the instrument.
        Returns:
            the text without what a style or a condition adds; all texts among the fields where none has a usual name.
        """
        fields = item.fields
        asks = fields.get("asks") or {}
        text = fields.get("question") or fields.get("context") or fields.get("ask") or asks.get(cls.conditions[0])
        return text or next(iter(asks.values()), "") or " ".join(v for v in fields.values() if isinstance(v, str))

    def prompts(self, item: Item) -> list[Prompt]:
        """First-stage prompts.

        Args:
            item: an item of the instrument.
        Returns:
            one prompt per condition and rotation, the first condition first.
        Raises:
            TypeError: if the subclass does not implement it.
        """
        raise TypeError(f"{type(self).__name__} does not define prompts")

    def follow_ups(self, item: Item, answered: Answered) -> list[Prompt]:
        """Second-stage prompts, which depend on the model's own first answers.

        Args:
            item: an item of the instrument.
            answered: its first-stage prompts that were answered, with their responses.
        Returns:
            further prompts; none unless a subclass makes them.
        """
        return []

    def branch_answers(self, item: Item, prompt: Prompt, response: Response) -> Answered:
        """Replies in the branches of a generated reply, as prompts of their own.

        Args:
            item: an item of the instrument.
            prompt: a prompt with branches.
            response: the model's response to it.
        Returns:
            (prompt of the branch, response) pairs; none unless a subclass makes them.
        """
        return []

    def trials(self, item: Item, answered: Answered) -> list[Trial]:
        """Rows of the trials table.

        Args:
            item: an item of the instrument.
            answered: all of its prompts that were answered, with their responses.
        Returns:
            one trial per prompt; probabilities and scores in [0, 1], log-likelihoods in nats.
        Raises:
            TypeError: if the subclass does not implement it.
        """
        raise TypeError(f"{type(self).__name__} does not define trials")
