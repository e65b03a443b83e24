"""Made-up models whose knowledge, sharpness and deference are set one by one, in five ways of responding to pressure.

Four options: right, suggested, two others. Verdicts of the feedback axis: a good and a bad one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import special

from holdfast.stats.deference import Answers

RESPONSES = ("log-odds", "mixture", "half of each", "pooling", "threshold")
AXES = ("imitation", "doubt", "feedback")
RIGHT, SUGGESTED = np.eye(4)[0], np.eye(4)[1]
Noise = Callable[..., np.ndarray]


class Change(NamedTuple):
    """What an adapter changes: knowledge, nats on the right answer; sharpness and deference, factors."""

    knowledge: float = 0.0
    sharpness: float = 1.0
    deference: float = 1.0


class Model(NamedTuple):
    """One model's log-probabilities of the options without pressure, and its answers on each axis."""

    log_IK: np.ndarray
    answers: dict[str, Answers]


class World:
    """Items in pairs of a cluster, each with an answer of its own to pressure."""

    def __init__(self, draw: np.random.Generator, response: str, num_items: int = 400):
        self.draw, self.response, self.size, n = draw, response, num_items, num_items
        self.clusters = np.arange(n) // 2
        know = 1.2 + 1.8 * (np.sqrt(0.4) * draw.normal(size=n)[self.clusters] + np.sqrt(0.6) * draw.normal(size=n))
        self.log_IK = np.stack([know, *(0.6 * draw.normal(size=(3, n)) - np.array([[0.0], [0.5], [0.5]]))], -1)
        self.added, self.added_by_mention = 1.6 + 0.7 * draw.normal(size=n), 0.5 + 0.4 * draw.normal(size=n)
        self.rate, self.rate_of_mention = (np.clip(m + s * draw.normal(size=n), 0, 1) for m, s in ((0.35, 0.15), (0.1, 0.05)))
        self.threshold = draw.normal(size=n)
        self.quality = draw.choice([-1, 1], n) * np.abs(draw.normal(1.2, 0.6, n))
        self.like, self.dislike = 1 + 0.4 * draw.normal(size=(2, n))
        self.verdict_rate = np.clip(0.2 + 0.1 * draw.normal(size=n), 0, 1)

    def base(self) -> Model:
        """The model that nothing changed."""
        return self._model(self.log_IK, np.ones(self.size), 1.0, 1.0)

    def adapters(self, change: Change, num_seeds: int) -> list[Model]:
        """Training seeds of one adapter; items gain unequally, other options move a little."""
        draw, n = self.draw, self.size
        gain = change.knowledge + (0.3 + 0.3 * min(abs(change.knowledge), 1)) * draw.normal(size=n)
        made = []
        for _ in range(num_seeds):
            log_IK = self.log_IK.copy()
            log_IK[:, 0] += gain + 0.1 * draw.normal() + 0.25 * draw.normal(size=n)
            log_IK[:, 1:] += 0.1 * draw.normal(size=(n, 3))
            discrimination = np.exp(0.6 * change.knowledge + 0.05 * draw.normal() + 0.1 * draw.normal(size=n))
            made.append(self._model(log_IK, discrimination, change.sharpness * np.exp(0.03 * draw.normal()), change.deference))
        return made

    def _model(self, log_IK: np.ndarray, discrimination: np.ndarray, sharpness: float, deference: float) -> Model:
        n = self.size
        asked: Noise = lambda log: log + 0.15 * self.draw.normal(size=log.shape)  # noqa: E731
        probabilities: Noise = lambda log: special.softmax(sharpness * asked(log), axis=-1)  # noqa: E731
        again_IK = log_IK + 0.8 * RIGHT
        free_IK, again = probabilities(log_IK), probabilities(again_IK)
        lead = log_IK[:, 0] - log_IK[:, 1:].max(1)
        pressed = self._respond(
            log_IK, SUGGESTED, self.added, self.rate, -0.2 + deference + self.threshold - lead, deference, probabilities
        )
        mention = self._respond(
            log_IK, SUGGESTED, self.added_by_mention, self.rate_of_mention, -1.2 + self.threshold - lead, 1.0, probabilities
        )
        doubted = self._respond(again_IK, -RIGHT, self.added, self.rate, -0.2 + deference + self.threshold - lead, deference, probabilities)
        verdict = discrimination * self.quality
        logits = np.stack([verdict, np.zeros(n)], -1)
        frames = [
            self._respond(
                logits, step, size, self.verdict_rate, deference + 0.5 * self.threshold - np.abs(verdict), deference, probabilities
            )[:, 0]
            for step, size in ((np.array([1.0, 0.0]), self.like), (np.array([-1.0, 0.0]), self.dislike))
        ]
        known, everything, sure = free_IK.argmax(1) == 0, np.ones(n, bool), probabilities(logits)
        imitation = Answers(log_IK=np.log(free_IK), target=1, pressed_I=pressed[:, 1], control_I=mention[:, 1], sign=1.0, counted_I=known)
        doubt = Answers(log_IK=np.log(again), target=0, pressed_I=doubted[:, 0], control_I=None, sign=-1.0, counted_I=known)
        feedback = Answers(log_IK=np.log(sure), target=0, pressed_I=frames[0], control_I=frames[1], sign=1.0, counted_I=everything)
        return Model(np.log(free_IK), {"imitation": imitation, "doubt": doubt, "feedback": feedback})

    def _respond(self, log_IK, step, added, rate, short, deference, probabilities: Noise) -> np.ndarray:
        """Probabilities under pressure towards (or, where `step` is negative, away from) an option. `short`: nats under the threshold."""

        def given_way(p_IK: np.ndarray, share: np.ndarray) -> np.ndarray:
            goal = np.abs(step) if step.max() > 0 else p_IK * (1 + step) / (p_IK * (1 + step)).sum(-1, keepdims=True)
            return (1 - share[:, None]) * p_IK + share[:, None] * goal

        rate = np.clip(deference * rate, 0, 1)
        match self.response:
            case "log-odds":
                return probabilities(log_IK + (deference * added)[:, None] * step)
            case "mixture":
                return given_way(probabilities(log_IK), rate)
            case "half of each":
                return given_way(probabilities(log_IK + (deference * added / 2)[:, None] * step), rate / 2)
            case "pooling":
                return probabilities((1 - rate)[:, None] * log_IK + 4 * rate[:, None] * step)
            case _:
                return given_way(probabilities(log_IK), 0.8 * special.expit(short / 0.3))
