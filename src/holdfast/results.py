"""What a study came to, as typed records: the one place from which findings.json, its JSON Schema and the reference page come.

Every record is frozen and refuses unknown keys. Fractions lie in [0, 1]; gains and shifts are adapted - base; a positive shift is more
sycophantic. An unknown number is None (null in JSON), never 0 and never nan.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from holdfast.frozen import Number, Record, canonical_json

SCHEMA_VERSION = 2
Verdict = Literal["refused", "not_identified", "raised", "lowered", "unchanged", "inconclusive"]
Part = Literal["behaviour", "firmness", "deference"]
SHIFT_PARTS: tuple[Part, ...] = ("behaviour", "firmness", "deference")
AuditLevel = Literal["ok", "warn", "refuse"]
AdapterRole = Literal["domain", "control", "null"]


class Interval(Record):
    """An estimate with its interval and nothing else."""

    estimate: Number = Field(description="Value; for a gain or a shift the mean paired difference adapted - base.")
    lower: Number = Field(default=None, description="Lower end of the interval, unadjusted.")
    upper: Number = Field(default=None, description="Upper end of the interval.")


class Estimate(Interval):
    """A model's own level, or one training seed's difference: the interval is over items only."""

    level: float = Field(default=0.95, description="Level of the interval.")
    n: int = Field(default=0, description="Items.")
    num_clusters: int | None = Field(default=0, description="Clusters of items; null where there are no answers item by item.")
    num_seeds: int = Field(default=0, description="Training seeds; 0 where nothing is trained.")
    coverage: Number = Field(default=None, description="Smallest share of readable answers over the models and conditions compared.")
    contrast: str | None = Field(default=None, description="What was measured.")
    se: Number = Field(default=None, description="Standard error.")
    df: Number = Field(default=None, description="Degrees of freedom of Student's t.")
    notes: tuple[str, ...] = Field(default=(), description="Caveats: read them before quoting the number.")
    hits: int | None = Field(default=None, description="Published studies: counted answers of that kind.")
    as_published: Number = Field(default=None, description="Published studies: the number as published.")


class Finding(Estimate):
    """An estimate with how far to trust it (docs/metrics.md, section 4)."""

    p: Number = Field(default=None, description="Two-sided, null 0, unadjusted.")
    p_holm: Number = Field(
        default=None, description="Adjusted for its family: Holm's where claims are made, Benjamini-Hochberg's if exploratory."
    )
    bounds: tuple[Number, Number] | None = Field(
        default=None, description="The values that the missing answers allow; null where none is missing."
    )
    mde: Number = Field(
        default=None,
        description="Effect detected 80 times in 100 at the family's first step. No answer changed: 3 / clusters, below which a change may go unseen.",
    )
    verdict: Verdict | None = Field(default=None, description="What may be claimed: [rules](believing.md#verdicts).")
    negligible: bool | None = Field(default=None, description="Raised or lowered, but inside the equivalence band.")
    unit: Literal["fraction", "nats"] = Field(default="fraction", description="Unit of estimate, interval, bounds and mde.")
    part: Part | None = Field(
        default=None, description="For a shift, or a result made of shifts: which [part](believing.md#three-numbers-per-shift) of it."
    )
    paired_se: tuple[Number, Number] | None = Field(default=None, description="Published studies: range of se over all possible pairings.")


class ContrastFinding(Finding):
    """A difference between adapters on one instrument."""

    name: str = Field(description="Such as `combined - maths`, or `combined - sum of its parts`.")
    axis: str = Field(description="The axis; in a published study any instrument.")
    kind: Literal["pair", "verifiable", "additivity"] | None = Field(
        default=None, description="`pair`, `verifiable` (domains whose answers can be checked, against the rest) or `additivity`."
    )


class Shift(Record):
    """A change under pressure in its parts: behaviour = firmness + deference."""

    behaviour: Finding = Field(description="The whole change beyond the control: what a user of the model meets.")
    firmness: Finding | None = Field(
        default=None, description="What a change of how firmly answers are held explains; exploratory. null: not known."
    )
    deference: Finding | None = Field(
        default=None, description="What is left between items held equally firmly: the only part called sycophancy. null: not known."
    )
    support: Number = Field(default=None, description="Smallest share of either model's items that were compared at equal firmness.")
    sharpness: Number = Field(
        default=None, description="How much sharper the adapted model is than the base: a ratio of spreads of log-probabilities."
    )
    unknown: str | None = Field(default=None, description="Why the parts are not known.")

    @property
    def claim(self) -> Finding:
        """What is ranked, related to gains and advised on: the deference part; the behaviour where it has no parts."""
        return self.deference or self.behaviour


class SeedFindings(Record):
    """One training run: its own gains and shifts, with intervals over items only."""

    seed: int = Field(description="One training run.")
    gains: dict[str, Estimate] = Field(description="Its own gain.")
    shifts: dict[str, Estimate] = Field(description="Its own shift: the deference part, or the behaviour where it has no parts.")


class AdapterFindings(Record):
    """Everything measured of one adapter, over its training seeds."""

    name: str = Field(description="The adapter.")
    domain: str = Field(description="Its domain, the same name.")
    role: AdapterRole = Field(description="`domain` (in the families that carry claims), `control` or `null` (exploratory).")
    own_benchmark: str | None = Field(description="The instrument its domain should raise.")
    seeds: tuple[int, ...] = Field(description="Training seeds.")
    gains: dict[str, Finding] = Field(description="Change in a benchmark's accuracy.")
    shifts: dict[str, Shift] = Field(description="Change in an axis's headline effect, in its parts.")
    effects: dict[str, dict[str, Finding]] = Field(
        description="Every [contrast](reference-instruments.md) of every axis, the headline included; exploratory (Benjamini-Hochberg)."
    )
    drift: dict[str, Number] = Field(
        description="Mean changes other than in the answers: `INSTRUMENT.kappa` (format coverage), `.refused`, `.num_new_tokens`, `.kl`, the mean "
        "KL(base || adapted) in nats, `.firmness`, how much more firmly right answers are held without pressure, in nats, and `.sharpness`, a "
        "ratio. Read them first: a damaged model moves on these axes, too."
    )
    vs_format_only: dict[str, Finding] = Field(
        description="Deference part minus that of the format-only adapter. A claim about the domain requires that this excludes 0, too."
    )
    mean_gain: Number = Field(description="Mean over benchmarks; descriptive, it mixes scales.")
    mean_shift: Number = Field(description="Mean over axes of the deference parts; descriptive.")
    per_seed: tuple[SeedFindings, ...] = Field(description="Each training run by itself.")
    levels: dict[str, Finding] = Field(default={}, description="Published studies: the adapter's own levels.")
    steps: int | None = Field(default=None, description="Published studies: optimizer steps.")


class BaseLevels(Record):
    """The base model's own levels."""

    name: str = Field(description="The base model.")
    benchmarks: dict[str, Estimate | Finding] = Field(description="The base's own accuracy.")
    axes: dict[str, Estimate | Finding] = Field(description="The base's own headline effect.")


class StudySummary(Record):
    """What was declared before the run."""

    name: str = Field(description="Name of the study.")
    base: str | None = Field(description="The base model.")
    domains: tuple[str, ...] = Field(description="Names of all adapters, controls and nulls included.")
    instruments: tuple[str, ...] = Field(description="Names of the instruments.")
    estimands: dict[str, str] = Field(description="For an axis the contrast whose change is its shift; for a benchmark `accuracy`.")
    equivalence_band: float = Field(description="Half-width of what is called unchanged.")
    title: str | None = Field(default=None, description="Published studies: the title.")
    source: dict[str, str] | None = Field(default=None, description="Published studies: repository, commit and licence.")
    lead: str | None = Field(default=None, description="Published studies: how to read the numbers.")


class Mitigation(Record):
    """A resistance mix against its plain domain."""

    name: str = Field(description="A resistance mix.")
    plain: str = Field(description="The plain domain it is compared with.")
    own_benchmark: str | None = Field(description="That domain's benchmark.")
    gains: dict[str, Finding] = Field(description="Gain of the mix minus that of the plain domain.")
    shifts: dict[str, Finding] = Field(description="The same for a shift; negative if the mix removed some of it.")


class LackOfFitTest(Record):
    """Whether main effects and pairs leave more unexplained than seeds do."""

    f: Number = Field(description="F statistic; null where the test is not possible.")
    df_model: int = Field(description="Degrees of freedom of the residuals: mixes less effects.")
    df_seeds: int = Field(description="Degrees of freedom of the seeds: adapters less mixes.")
    p: Number = Field(description="Small: the model leaves out something that the mixes show.")


class FactorialEffects(Record):
    """What including domains does on one instrument, from a factorial set of mixes."""

    effects: dict[str, Finding] = Field(description="What *including* a domain, or two together, does.")
    lack_of_fit: LackOfFitTest | None = Field(description="Whether main effects and pairs leave more unexplained than seeds and items do.")
    refused: str | None = Field(description="Why an instrument has no such effects, or null.")


class DosePath(Record):
    """An adapter measured at parts of its dose."""

    name: str = Field(description="An adapter measured at parts of its dose.")
    path: Literal["scale", "steps"] = Field(description="`scale` (its update multiplied) or `steps` (its training stopped early).")
    doses: tuple[float, ...] = Field(description="Shares, ascending, the adapter itself at 1 last; the base, dose 0, is not a point.")
    seeds: tuple[int, ...] = Field(description="Seeds measured at every dose.")
    gains: dict[str, tuple[Finding, ...]] = Field(description="Gain at each dose.")
    shifts: dict[str, tuple[Finding, ...]] = Field(description="Shift at each dose.")
    gain_slopes: dict[str, Finding] = Field(description="Change of the gain per unit of dose.")
    shift_slopes: dict[str, Finding] = Field(description="Change of the shift per unit of dose.")


class DetectionRow(Record):
    """Signal detection of one model on one axis; for an adapter, changes against the base."""

    model: str = Field(description="Signal detection on an axis that declares hits and false alarms: `base`, or an adapter.")
    d_prime: Interval = Field(description="d', knowledge; for an adapter the change against the base.")
    c: Interval = Field(description="c, caution; a lower c defers more.")


class Flips(Record):
    """Answers of one model that flipped under pressure."""

    model: str = Field(description="One model, on an axis.")
    from_: str = Field(validation_alias="from", serialization_alias="from", description="The control condition.")
    to: str = Field(description="The pressure condition.")
    n: int = Field(description="Items answered under both.")
    right_to_wrong: int = Field(description="Items whose most likely answer turned wrong.")
    wrong_to_right: int = Field(description="Items whose most likely answer turned right.")
    num_missing: int = Field(description="Items with an unknown answer.")
    p: Number = Field(description="Exact McNemar; of this model, not of a difference between models.")


class RankRow(Record):
    """A domain adapter's place by mean shift."""

    name: str = Field(description="A domain adapter.")
    p_rank: tuple[float, ...] = Field(description="Probability of each place by mean shift, the smallest first; descriptive.")


class FrontRow(Record):
    """A domain adapter and the Pareto front of mean gain and mean shift."""

    name: str = Field(description="A domain adapter.")
    on_front: bool = Field(description="No other has more mean gain and less mean shift.")
    p_front: float = Field(description="Probability of being on the front.")


class Pareto(Record):
    """The front of mean gain (up) and mean shift (down); descriptive."""

    front: tuple[FrontRow, ...] = Field(description="One row per domain adapter.")
    p_dominates: dict[str, dict[str, float]] = Field(description="Probability that the first is better than the second in both.")


class FittedLine(Record):
    """A straight line through points that are known with error in both coordinates."""

    slope: Number = Field(description="Shift per unit of gain; null where no line could be found.")
    intercept: Number = Field(description="Shift at a gain of 0.")
    slope_se: Number = Field(description="Standard error of the slope from the points' errors, without the scatter about the line.")
    converged: bool = Field(description="Whether a line was found.")


class CorrelationCell(Record):
    """Correlation of one gain with one shift over domain mixes."""

    num_mixes: int = Field(description="Mixes with a number for this pair.")
    num_missing: int = Field(description="Mixes left out.")
    refused: str | None = Field(description="Why nothing may be claimed, for this pair.")
    pearson: Number = Field(description="Pearson's r.")
    spearman: Number = Field(description="Spearman's rho. This and all that follow are null below 8 mixes.")
    p_pearson: Number = Field(description="By permutation of the mix labels.")
    p_spearman: Number = Field(description="The same for rho.")
    exact: bool | None = Field(description="All permutations were counted.")
    num_permutations: int = Field(description="Number of permutations.")
    leave_one_out: tuple[Number, Number] | None = Field(description="Lowest and highest r with one mix left out.")
    corrected_r: Number = Field(description="r corrected for attenuation by measurement error.")
    line: FittedLine | None = Field(description="Straight line fitted with errors in both variables.")


class PublishedLevels(Record):
    """A published study's correlation over levels."""

    r: Number = Field(description="Published studies: Pearson's r.")
    n: int = Field(description="Published studies: models.")
    p: Number = Field(description="Published studies: two-sided p of r, by Student's t.")


class PublishedChanges(PublishedLevels):
    """The same over changes against the base."""

    critical_r: Number = Field(description="Published studies: the smallest r with p below .05.")
    leave_one_out: tuple[Number, Number] | None = Field(description="Published studies: lowest and highest r with one adapter left out.")


class PublishedCorrelation(Record):
    """A published study's correlation, recomputed on levels (as published) and on changes."""

    benchmark: str = Field(description="Published studies: the benchmark.")
    axis: str = Field(description="Published studies: the axis.")
    published: Number = Field(description="Published studies: r as published.")
    levels: PublishedLevels = Field(description="Published studies: over levels, the base included.")
    changes: PublishedChanges = Field(description="Published studies: over changes.")


class Correlation(Record):
    """Gain against shift over domain mixes."""

    num_mixes: int = Field(description="Domain mixes: the unit of this correlation.")
    refused: str | None = Field(default=None, description="Why nothing may be claimed (fewer than 8 mixes), or null.")
    description: dict[str, Number] = Field(description="Pearson's r of mean gain and an axis's shift, as a description.")
    cells: dict[str, CorrelationCell] | tuple[PublishedCorrelation, ...] = Field(description="By pair of gain and shift.")


class Recommendation(Record):
    """A sentence with the places of the numbers it was rendered from."""

    text: str = Field(description="A sentence, rendered from the cells it cites.")
    cells: tuple[str, ...] = Field(description="Their places in this file, as `adapters/0/shifts/doubt`.")


class AuditEntry(Record):
    """What one check says: a claim it forbids (refuse), qualifies (warn) or allows (ok)."""

    check: str = Field(description="Name of the check.")
    level: AuditLevel = Field(description="ok, warn or refuse.")
    claim: str = Field(description="The sentence it forbids or qualifies.")
    evidence: Any = Field(description="Counts and numbers behind it.")
    cell: tuple[str, str] | None = Field(default=None, description="The adapter and instrument it refuses.")

    def __getitem__(self, key: str) -> Any:
        if key not in type(self).model_fields:
            raise KeyError(key)
        return getattr(self, key)


class PublishedClaim(Record):
    """Status of a published claim."""

    id: str = Field(description="Published studies: name of the claim.")
    text: str = Field(description="Published studies: the claim.")
    source: str = Field(description="Published studies: the file that makes the claim.")
    status: str = Field(description="Published studies: stands, not identified, contradicted by its own table, or cited defect.")
    reason: str = Field(description="Published studies: why.")
    values: dict[str, Any] = Field(description="Published studies: the numbers in the reason.")
    evidence: tuple[str, ...] = Field(description="Published studies: where each number comes from.")
    rule: int = Field(description="Published studies: which rule decided.")


class PublishedPoint(Record):
    """A point an audit must make of a published study, with its parts."""

    number: int = Field(description="Published studies: number of the point.")
    title: str = Field(description="Published studies: its title.")
    status: str = Field(description="Published studies: recomputed, cited or not findable.")
    parts: tuple[dict[str, Any], ...] = Field(description="Published studies: status, text, values and how each part was obtained.")


def _check_version(version: int) -> int:
    if version != SCHEMA_VERSION:
        raise ValueError(f"{version}: this holdfast reads version {SCHEMA_VERSION} only; use the holdfast that wrote it")
    return version


class StudyFindings(Record):
    """findings.json: everything a study came to. No time, path or machine is inside: equal runs give equal bytes."""

    schema_version: Annotated[int, AfterValidator(_check_version)] = Field(
        default=SCHEMA_VERSION, description="Raised when a key changes its meaning."
    )
    study: StudySummary = Field(description="What was declared.")
    base: BaseLevels = Field(description="The base's own levels.")
    adapters: tuple[AdapterFindings, ...] = Field(description="One entry per adapter.")
    contrasts: tuple[ContrastFinding, ...] = Field(description="Differences between adapters; one Holm family.")
    mitigation: tuple[Mitigation, ...] = Field(default=(), description="Resistance mixes against their plain domains.")
    dose: tuple[DosePath, ...] = Field(default=(), description="Adapters at parts of their dose.")
    factorial: dict[str, FactorialEffects] | None = Field(default=None, description="null below 8 mixes of single domains.")
    detection: dict[str, tuple[DetectionRow, ...]] = Field(default={}, description="Signal detection per axis, the base first.")
    flips: dict[str, tuple[Flips, ...]] = Field(default={}, description="Flips per axis and model, the base first.")
    ranking: tuple[RankRow, ...] = Field(default=(), description="Domain adapters by mean shift.")
    pareto: Pareto | None = Field(default=None, description="Front of mean gain and mean shift.")
    correlation: Correlation = Field(description="Gain against shift over domain mixes.")
    refused: tuple[AuditEntry, ...] = Field(default=(), description="Entries of the [audit](reference-audit.md) at level refuse.")
    recommendation: tuple[Recommendation, ...] = Field(default=(), description="The results in sentences, and what they mean for training.")
    tables: dict[str, Any] | None = Field(default=None, description="Published studies: numbers compared with the counts.")
    points: tuple[PublishedPoint, ...] = Field(default=(), description="Published studies: points that an audit must state.")
    claims: tuple[PublishedClaim, ...] = Field(default=(), description="Published studies: the status of each claim.")

    def to_json(self) -> bytes:
        """Canonical bytes of findings.json: sorted keys, 12 significant digits, unknown as null, and only what was given."""
        return canonical_json(self)
