"""How long lines live beside others: what comes of it for walks, for rings that devices write, in bursts."""

import numpy as np

from nfvlab.llc.associative import age_weights


class Lives:
    """How long lines live: `alive`[class, t] if there is room, `known`[t] if the start was before.

    fixed[class, t]: share of what comes into a class's ways within t that comes round at certain times.
    """

    def __init__(self, t: np.ndarray, alive: np.ndarray, known: np.ndarray, fixed: np.ndarray):
        self.t, self.alive, self._fixed = t, alive * known, fixed
        self._weights = [age_weights(a) for a in self.alive]
        middle = 0.5 * (known[1:] + known[:-1])
        self._ends = (alive[:, :-1] - alive[:, 1:]) * middle  # evicted at an age in each step

    def mean(self, c: int, at) -> np.ndarray:
        """Mean over the time that lines of class c live of what is `at`[..., t] if that is t."""
        return np.asarray(at) @ self._weights[c]

    def evicted(self, c: int, at: np.ndarray) -> float:
        """Mean over ages of eviction of `at`[t]; lines that are never evicted count nothing."""
        return float((0.5 * (at[1:] + at[:-1])) @ self._ends[c])

    def at(self, c: int, t: np.ndarray) -> np.ndarray:
        """Share of lines of class c that live longer than t."""
        return np.interp(t, self.t, self.alive[c])

    def fixed(self, c: int, t: np.ndarray) -> np.ndarray:
        """Share of what comes into the ways of class c within t that comes round at certain times."""
        return np.interp(t, self.t, self._fixed[c])

    def reached(self, c: int, gaps: np.ndarray, rate: float) -> tuple[float, float, float]:
        """Touches after certain times: share that hit, share evicted before; certainty of what they live with."""
        times, shares = gaps[:, 0] / rate, gaps[:, 1]
        gone = np.interp(times, self.t, np.concatenate([[0.0], np.cumsum(self._ends[c])]))
        return tuple(float(x @ shares) for x in (self.at(c, times), gone, self.fixed(c, times)))


def burst(t: np.ndarray, length: float, interval: float) -> tuple[np.ndarray, np.ndarray]:
    """What a window of length t meets of bursts, one an interval: (probabilities, shares of a burst), float64[3, t].

    The least that any window meets, the most, and between them all shares alike, for which their middle stands.
    """
    most, least = np.minimum(t, length), np.maximum(t + length - interval, 0)
    sloped, flat = 2 * (most - least) / interval, np.abs(t - length) / interval
    shares = np.stack([np.maximum(1 - sloped - flat, 0), sloped, flat])
    return shares, np.stack([least, 0.5 * (most + least), most]) / length


def moved(
    waited: float, turned: float, device_waited: float, fixed: float, turns: float
) -> tuple[float, float]:
    """Share of ring lines in the core's ways when the device writes them, and misses of the core's first read.

    A line that is evicted from the device's ways before it is read is fetched into the core's ways, and stays there
    as long as it lives from the reading to the next writing (`turned`) and from that to the next reading (`waited`);
    evicted there, it goes back to the device's ways. If chance decides anew each time whether it lives in the
    device's ways until it is read (`device_waited`), this is a Markov chain, here after `turns` of the ring from an
    empty cache. If it is always the same lines that do not (`fixed`: neighbours come in turns), those move for good.
    """
    keep = turned * device_waited
    rounds = (1 - keep**turns) / (1 - keep) if keep < 1 - 1e-12 else turns
    chance_away = min((1 - device_waited) * rounds, 1.0)
    chance_missed = (1 - chance_away * turned) * (1 - device_waited) + chance_away * turned * (1 - waited)
    same_away = 1 - device_waited
    same_missed = same_away * (1 - turned * waited)
    return (
        fixed * same_away + (1 - fixed) * chance_away,
        fixed * same_missed + (1 - fixed) * chance_missed,
    )


def placed(away: float, turned: float, device_waited: float) -> tuple[float, float, float, float]:
    """Shares of ring lines that live in the core's ways by two touches a turn or by one, then in the device's likewise.

    A line that the core has fetched is touched again by the device's writing if it lives until then (`turned`); the
    others are written into the device's ways anew, and touched there again by the core's reading if they live until
    then (`device_waited`), else evicted, and fetched. So a line may come into both ways in one turn of the ring.
    """
    home = 1 - away * turned
    return (
        away * turned,
        away * (1 - turned),
        home * device_waited,
        home * (1 - device_waited),
    )


AT_HOME = (0.0, 0.0, 1.0, 0.0)  # all lines live in the device's ways until they are read, and written anew

__all__ = ["AT_HOME", "Lives", "burst", "moved", "placed"]
