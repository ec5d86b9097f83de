# SPDX-License-Identifier: GPL-2.0-only
"""Medians, ratios, and how far to trust them."""

import math
import random

RESAMPLES = 4000
LEVEL = 0.95


def median(values):
    values = sorted(values)
    middle = len(values) // 2
    if len(values) % 2:
        return values[middle]
    return (values[middle - 1] + values[middle]) / 2


def middle_mean(values):
    """Mean of the middle half: what interrupts a run for a moment does not
    count, what happens all the time does."""
    values = sorted(values)
    cut = len(values) // 4
    middle = values[cut:len(values) - cut]
    return sum(middle) / len(middle)


def ratio(ours, theirs):
    """(ratio of the medians, lower, upper bound) of two columns measured in the
    same rounds; None where it is none. The bounds are those of a percentile
    bootstrap that draws whole rounds, so what disturbed both columns in one
    round stays together. With fewer than six rounds they say little."""
    base = median(theirs)
    if base <= 0:
        return None
    rng = random.Random(1)
    rounds = range(len(ours))
    found = []
    for _ in range(RESAMPLES):
        drawn = rng.choices(rounds, k=len(ours))
        below = median([theirs[i] for i in drawn])
        # A cost below nothing is noise: then the ratio may be anything.
        found.append(median([ours[i] for i in drawn]) / below if below > 0 else math.inf)
    found.sort()
    cut = int(len(found) * (1 - LEVEL) / 2)
    return median(ours) / base, found[cut], found[-1 - cut]


def verdict(value, low, high, sense, target):
    """sense: "<=" or ">="."""
    def meets(x):
        return x <= target if sense == "<=" else x >= target

    worst, best = (high, low) if sense == "<=" else (low, high)
    if meets(value):
        return "met" if meets(worst) else "met, but within the noise"
    return "FALLS SHORT, but within the noise" if meets(best) else "FALLS SHORT"
