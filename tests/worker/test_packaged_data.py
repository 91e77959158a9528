"""What the data packages hold is read as it should be."""

import torch

from worker.workloads.flights import NUMBERS, OneHot, flights
from worker.workloads.kjv import WINDOW, Transformer, TransformerParams, kjv
from worker.workloads.spoken_digits import COEFFICIENTS, OverTime, spoken_digits


def test_every_flight_that_arrived_is_in_one_part_and_late_ones_in_both_alike() -> None:
    split, sizes = flights()

    assert len(split.train.targets) + len(split.held_out.targets) == 327_346
    shares = [part.targets.float().mean().item() for part in (split.train, split.held_out)]
    assert abs(shares[0] - shares[1]) < 0.001
    assert 0.236 < shares[0] < 0.238
    assert sizes == [12, 7, 16, 3, 104]


def test_flights_are_encoded_as_standardised_numbers_and_one_column_a_category() -> None:
    split, sizes = flights()

    numbers = split.train.inputs[:, :NUMBERS]
    encoded = OneHot(sizes)(split.held_out.inputs)

    torch.testing.assert_close(numbers.mean(dim=0), torch.zeros(NUMBERS), atol=1e-4, rtol=0)
    torch.testing.assert_close(numbers.std(dim=0), torch.ones(NUMBERS), atol=1e-4, rtol=0)
    assert encoded.shape == (2000, NUMBERS + sum(sizes))
    assert (encoded[:, NUMBERS:].sum(dim=1) == 5).all()


def test_weekdays_are_counted_from_thursday() -> None:
    split, _ = flights()
    weekday = split.train.inputs[:, NUMBERS + 1]

    per_day = weekday.long().bincount()

    assert per_day.argmin() == 2  # Saturday: the fewest flights


def test_the_characters_after_each_are_the_targets_and_windows_do_not_overlap() -> None:
    split, characters = kjv()

    for part in (split.train, split.held_out):
        assert part.inputs.shape[1] == WINDOW
        assert torch.equal(part.inputs[:, 1:], part.targets[:, :-1])
        assert part.inputs.max() < characters
    whole = split.held_out.inputs.flatten()
    assert torch.equal(whole[WINDOW::WINDOW], split.held_out.targets[:-1, -1])


def test_no_character_sees_those_that_follow() -> None:
    model = Transformer(65, TransformerParams())
    one, other = torch.zeros(2, 1, WINDOW, dtype=torch.int64)
    other[0, 40:] = 7

    first, second = model(one), model(other)

    torch.testing.assert_close(first[0, :40], second[0, :40])
    assert not torch.allclose(first[0, 40:], second[0, 40:])


def test_a_recording_ends_where_its_mask_does() -> None:
    split = spoken_digits()
    goes_on = split.train.inputs[:, COEFFICIENTS]
    lengths = goes_on.sum(dim=1).long()

    assert len(split.train.targets) + len(split.held_out.targets) == 3000
    assert 6 <= lengths.min() <= lengths.max() <= 92
    assert all(
        goes_on[n, :length].all() and not goes_on[n, length:].any() for n, length in enumerate(lengths)
    )
    assert not split.train.inputs[goes_on.unsqueeze(1).expand_as(split.train.inputs) == 0].any()


def test_the_mean_over_time_leaves_the_padding_out() -> None:
    model = OverTime(8).eval()
    recording = spoken_digits().held_out.inputs[:1]
    length = int(recording[0, COEFFICIENTS].sum()) + 6  # the padding that two convolutions of 5 reach into

    torch.testing.assert_close(model(recording[:, :, :length]), model(recording))
