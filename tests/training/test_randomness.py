"""Random numbers are functions of the seed, the step, the purpose and the row."""

import pytest
import torch

from probing_vlp.training.randomness import dropout_rows, generator_for, uniform_rows

CPU = torch.device("cpu")


def numbers(seed: int = 1, step: int = 7, purpose: str = "sample", rows: slice = slice(0, 6)) -> torch.Tensor:
    return uniform_rows(rows, 6, 4, generator_for(seed, step, purpose, CPU))


def test_the_same_request_gives_the_same_numbers_whatever_came_before() -> None:
    first = numbers()
    torch.rand(17)
    assert torch.equal(numbers(), first)
    assert first.shape == (6, 4) and first.dtype == torch.float32
    assert (first >= 0).all() and (first < 1).all()


@pytest.mark.parametrize("other", [{"seed": 2}, {"step": 8}, {"purpose": "dropout"}, {"seed": 17, "step": 7}])
def test_another_seed_step_or_purpose_gives_others(other: dict) -> None:
    assert not torch.isclose(numbers(**other), numbers()).any()


def test_seed_and_step_do_not_run_together() -> None:
    assert not torch.equal(numbers(seed=1, step=23), numbers(seed=12, step=3))


def test_processes_share_the_rows_of_one_draw() -> None:
    assert torch.equal(torch.cat([numbers(rows=slice(0, 2)), numbers(rows=slice(2, 6))]), numbers())
    first, second, whole = (
        dropout_rows(rows, 6, (3, 2), 0.5, generator_for(1, 1, "dropout", CPU))
        for rows in (slice(0, 3), slice(3, 6), slice(0, 6))
    )
    assert torch.equal(torch.cat([first, second]), whole)


def test_dropout_factors() -> None:
    keep = dropout_rows(slice(None), 100, (20, 50), 0.2, generator_for(1, 1, "dropout", CPU))
    assert keep.unique().tolist() == [0, 1.25]  # 1 / (1 - 0.2)
    # 100,000 coins: the share that is dropped is within four standard deviations, 4 sqrt(.2 * .8 / 100,000) = 0.005
    assert (keep == 0).float().mean().item() == pytest.approx(0.2, abs=0.005)
    assert dropout_rows(slice(None), 100, (20, 50), 0, generator_for(1, 1, "dropout", CPU)) is None
