"""Noise ceilings: the toolbox's numbers, and what they must be where participants agree."""

import numpy as np
import pytest

from probing_vlp.errors import UserError
from probing_vlp.similarity.distances.ceilings import METHODS, noise_ceiling


def people(n: int = 6, pairs: int = 66, ties: bool = False) -> np.ndarray:
    generator = np.random.default_rng(7)
    found = 1 + generator.normal(size=pairs) + generator.normal(size=(n, pairs))
    return np.round(found) if ties else found


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("method", METHODS)
def test_the_numbers_are_the_toolboxs(method: str, ties: bool) -> None:
    from rsatoolbox.inference import boot_noise_ceiling
    from rsatoolbox.rdm import RDMs

    stack = people(ties=ties)
    ours = noise_ceiling(stack, method)
    assert (ours.lower, ours.upper) == pytest.approx(boot_noise_ceiling(RDMs(stack), method), abs=1e-13)
    assert (ours.method, ours.n_participants) == (method, 6)


def test_two_people_by_hand() -> None:
    # ranks 1 2 3 and 1 3 2: Spearman 1/2 with each other (lower); their average 1, 2.5, 2.5 has rho sqrt(3)/2 with each
    found = noise_ceiling(np.array([[0.1, 0.2, 0.3], [0.1, 0.3, 0.2]]))
    assert (found.lower, found.upper) == pytest.approx((0.5, np.sqrt(3) / 2))


def test_people_who_agree_have_a_ceiling_of_one() -> None:
    assert noise_ceiling(np.tile(people(1), (3, 1)))[:2] == pytest.approx((1, 1))


def test_nobody_to_agree_with() -> None:
    with pytest.raises(UserError, match="1 participant, a noise ceiling needs two or more"):
        noise_ceiling(people(1), source="x.npz")
    with pytest.raises(UserError, match="only equal distances"):
        noise_ceiling(np.vstack([people(2), np.ones((1, 66))]))
    with pytest.raises(UserError, match="unknown method 'tau'"):
        noise_ceiling(people(), "tau")
