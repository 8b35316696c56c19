"""Tour 3: attention, from the formula to the form that fits in memory. Run it: python tours/3_attention.py

Attention is softmax(q k^T / sqrt(E)) v. The formula makes a matrix of n x n scores and reads and writes it several
times. Four programs here compute the same numbers; each holds less in memory than the one before:

    1. the formula                      n x n scores, and a softmax that overflows
    2. three passes over a row          maximum, sum of exponentials, weighted sum of values: no overflow
    3. one pass over a row              running maximum, with a correction when it grows (online softmax)
    4. one pass over tiles              the same for blocks of queries and keys, as `kernel = "tiled"` does
"""

import torch

from trivium.model.attention.kernel import Eager
from trivium.model.attention.pattern import Causal, Full, Where, Window
from trivium.model.attention.tiled import Tiled
from trivium.model.attention.view import View

torch.manual_seed(0)
N, E, TILE = 8, 4, 2
q, k, v = torch.randn(3, N, E, dtype=torch.float64)


def numbers(x: torch.Tensor, digits: int) -> str:
    """Return a vector as text."""
    return "  ".join(f"{value:+.{digits}f}" for value in x)


def show(title: str, output: torch.Tensor, held: int) -> None:
    """Print the output of the last query, and how many scores the program holds at once."""
    print(f"{title:<34} {numbers(output[-1], 6)}   holds {held:>2} scores")


def formula() -> torch.Tensor:
    """Compute attention by the formula: all scores at once."""
    scores = q @ k.T / E**0.5
    weights = scores.exp()
    return weights / weights.sum(dim=1, keepdim=True) @ v


def three_passes() -> torch.Tensor:
    """Compute row by row. exp(s - m) cannot overflow, but m needs one whole pass, and the sum another."""
    rows = []
    for query in q:
        largest = max(query @ key / E**0.5 for key in k)
        total = sum((query @ key / E**0.5 - largest).exp() for key in k)
        rows.append(
            sum((query @ key / E**0.5 - largest).exp() / total * value for key, value in zip(k, v, strict=True))
        )
    return torch.stack(rows)


def one_pass(tell: bool = False) -> torch.Tensor:
    """Compute row by row in one pass: when a larger score comes, scale the sums so far by exp(old - new)."""
    rows = []
    for number, query in enumerate(q):
        largest, total, mix = torch.tensor(-torch.inf), torch.tensor(0.0), torch.zeros(E)
        for key, value in zip(k, v, strict=True):
            score = query @ key / E**0.5
            new = torch.maximum(largest, score)
            fade, weight = (largest - new).exp(), (score - new).exp()
            total, mix = total * fade + weight, mix * fade + weight * value
            if tell and number == N - 1:
                print(
                    f"   score {score:+.3f}   largest {new:+.3f}   fade {fade:.3f}   sum {total:.3f}   "
                    f"output so far {numbers(mix / total, 3)}"
                )
            largest = new
        rows.append(mix / total)
    return torch.stack(rows)


def tiles() -> torch.Tensor:
    """Compute the same for blocks of queries and tiles of keys: two matrix products for each tile."""
    blocks = []
    for queries in q.split(TILE):
        largest = torch.full((len(queries), 1), -torch.inf)
        total, mix = torch.zeros(len(queries), 1), torch.zeros(len(queries), E)
        for keys, values in zip(k.split(TILE), v.split(TILE), strict=True):
            scores = queries @ keys.T / E**0.5
            new = torch.maximum(largest, scores.amax(dim=1, keepdim=True))
            fade, weights = (largest - new).exp(), (scores - new).exp()
            total, mix = total * fade + weights.sum(dim=1, keepdim=True), mix * fade + weights @ values
            largest = new
        blocks.append(mix / total)
    return torch.cat(blocks)


def ours() -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the same with the kernels that the first and the last program stand for."""
    where = Where(torch.arange(N)[None], torch.ones(1, N, dtype=torch.long))
    view = View(Full(), where, where, plain=True)
    heads = [x[None, None] for x in (q, k, v)]  # B H T E
    return Eager().attend(*heads, view, E**-0.5)[0, 0], Tiled().attend(*heads, view, E**-0.5)[0, 0]


print(f"{N} tokens, head width {E}: the output of the last query, four ways\n")
show("1. the formula", formula(), N * N)
show("2. three passes over a row", three_passes(), 1)
show("3. one pass over a row", one_pass(), 1)
show("4. one pass over tiles", tiles(), TILE * TILE)
eager, tiled = ours()
show("   kernel = 'eager'", eager, N * N)
show("   kernel = 'tiled'", tiled, TILE * TILE)
for output in (three_passes(), one_pass(), tiles(), eager, tiled):
    assert torch.allclose(output, formula(), atol=1e-12)

print("\nStep 3 in detail: it keeps only the largest score, the sum and the output so far.")
one_pass(tell=True)

big = 2000 * q[0] @ k.T
print(f"\nThe formula overflows: if a score is {big.max():.0f}, its exp is {big.max().exp():.0f}.")
print(f"Minus the largest score, the exp is {(big - big.max()).exp().max():.0f}, and all others are smaller.")

where = Where(torch.arange(4096)[None], torch.ones(1, 4096, dtype=torch.long))
print("\nA tile without an allowed pair is skipped. Of the 1,024 tiles of 128 x 128 in a row of 4,096 tokens,")
for name, pattern in (("causal", Causal()), ("window of 256", Window(size=256))):
    share = View(pattern, where, where, plain=True).share(128)
    print(f"   {name:<14} computes {share * 1024:>4.0f}, {share:.0%}")
print("\nsrc/trivium/model/attention/tiled.py adds the backward pass, bias, softcap and grouped heads.")
