"""Closed forms from the literature, for what the theory computes in other ways."""


def machine_repair(think_ns: float, repair_ns: float, machines: int) -> float:
    """Repairs per ns of `machines` machines that run for think_ns and share one repairman: M/M/1//N, in closed form.

    1 - p_0 = busy share, with p_0 the inverse of the sum of N!/(N-k)! (repair/think)^k, k = 0 … N.
    """
    term = total = 1.0
    for k in range(machines):
        term *= (machines - k) * repair_ns / think_ns
        total += term
    return (1 - 1 / total) / repair_ns
