"""Gates hold what is alike and break on what is not."""

import copy

import numpy as np
import pytest
import torch
from export_room import SIDE, Exported

from fakedet.detector.scorer import ModelError
from fakedet.errors import UserError
from fakedet.export.gates import Gate, auc_change, cosine, enforce, parity
from fakedet.export.onnx_file import serialise
from fakedet.export.session import Session, side_by_side

IMAGES = np.random.default_rng(1).normal(0, 1, (20, 3, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(scope="module")
def session(exported: Exported) -> Session:
    return Session(serialise(exported.model), 1)


def test_a_file_and_its_own_network_pass(exported: Exported, session: Session) -> None:
    found = parity(exported.network, exported.card, session, IMAGES)
    assert [gate.held for gate in found] == [True, True, True]
    enforce(found)


def test_another_networks_scores_and_maps_are_noticed(exported: Exported, session: Session) -> None:
    other = copy.deepcopy(exported.network)
    with torch.no_grad():
        for parameter in other.head.parameters():
            parameter.add_(0.001 * torch.sign(parameter))
    scores, probabilities, _ = parity(other, exported.card, session, IMAGES)
    assert (scores.held, probabilities.held) == (False, True)
    with torch.no_grad():
        for parameter in other.head.parameters():
            parameter.copy_(parameter.roll(1))
    maps = parity(other, exported.card, session, IMAGES)[2]
    assert not maps.held
    with pytest.raises(UserError, match=r"nothing was written: .*lowest cosine, is .* and has to be at least 0\.999\."):
        enforce([maps])


def test_another_calibration_is_noticed(exported: Exported, session: Session) -> None:
    from export_room import make_card

    from fakedet.detector.decision import Calibration

    found = parity(exported.network, make_card(Calibration("temperature", 1.01)), session, IMAGES)
    assert [gate.held for gate in found] == [True, False, True]


def test_weights_that_are_no_numbers_have_no_file(exported: Exported, session: Session) -> None:
    broken = copy.deepcopy(exported.network)
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    with pytest.raises(ModelError, match="not finite numbers"):
        parity(broken, exported.card, session, IMAGES)


@pytest.mark.parametrize("at_least", [False, True])
def test_a_gate_is_held_at_its_limit_and_never_by_what_is_no_number(at_least: bool) -> None:
    assert Gate("x", 0.5, 0.5, at_least).held
    assert Gate("x", 0.6, 0.5, at_least).held == at_least
    assert Gate("x", 0.4, 0.5, at_least).held != at_least
    assert not Gate("x", float("nan"), 0.5, at_least).held


def test_two_zero_maps_are_equal_and_one_is_not() -> None:
    zero, one = np.zeros((2, 2), np.float32), np.eye(2, dtype=np.float32)
    assert cosine(zero, zero) == 1
    assert cosine(zero, one) == cosine(one, zero) == 0
    assert cosine(one, 3e-20 * one) == pytest.approx(1)
    assert cosine(one, np.ones((2, 2), np.float32)) == pytest.approx(1 / np.sqrt(2))


def test_the_change_of_the_auc_is_that_of_the_ranking() -> None:
    labels = np.array([0, 0, 1, 1] * 10)
    before = labels + np.linspace(0, 0.5, 40)
    assert auc_change(labels, before, 3 * before + 1).value == 0
    after = before.copy()
    after[0] = 9.0  # one of 20 reals above every fake
    assert auc_change(labels, before, after).value == pytest.approx(0.05)
    assert not auc_change(labels, before, after).held
    with pytest.raises(UserError, match="all of one class"):
        auc_change(np.zeros(40, int), before, after)


def test_the_slower_file_takes_longer(exported: Exported, session: Session) -> None:
    class Slow(Session):
        def run(self, images: np.ndarray) -> dict[str, np.ndarray]:
            super().run(images)
            return super().run(images)

    fast, slow = side_by_side([session, Slow(serialise(exported.model), 1)], IMAGES[:1])
    assert fast < slow
