"""Statistics of speeds that were measured in turns: medians, ranges, ratios within a round, and how sure one can be."""
import random
import statistics

RESAMPLES = 2000
SEED = 20  # the same interval from the same figures, always


def summary(values):
    """{"median", "min", "max"} of at least one value."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(numerators, denominators):
    """Ratio within each round. The two were measured side by side in that round, so the machine's drift cancels."""
    if len(numerators) != len(denominators):
        raise ValueError(f"{len(numerators)} rounds beside {len(denominators)}: not measured in turns")
    return [a / b for a, b in zip(numerators, denominators)]


def bootstrap_interval(values, confidence=0.95, resamples=RESAMPLES):
    """(low, high): where the median of `values` lies with this confidence, by drawing rounds again and again."""
    if len(values) == 1:
        return values[0], values[0]
    generator = random.Random(SEED)
    medians = sorted(statistics.median(generator.choices(values, k=len(values))) for _ in range(resamples))
    cut = (1 - confidence) / 2
    return quantile(medians, cut), quantile(medians, 1 - cut)


def quantile(ordered, q):
    """Linear between the two nearest of values that are sorted already."""
    place = q * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def verdict(interval, rounds, threshold=0.01):
    """What a ratio of speeds, new over old, says: "faster", "slower" or "no difference". A difference has to lie outside
    the interval, and to be more than `threshold`, which is what the order of functions in a binary alone can do."""
    if rounds < 3:
        return "too few rounds to say"
    low, high = interval
    if low > 1 + threshold:
        return "faster"
    if high < 1 - threshold:
        return "slower"
    return "no difference"


def geometric_mean(values):
    return statistics.geometric_mean(values)


def spread(values, digits=2):
    """ "1.51 (1.49 to 1.57)" """
    s = summary(values)
    return f"{s['median']:.{digits}f} ({s['min']:.{digits}f} to {s['max']:.{digits}f})"
