"""The choice of a kernel, and that it says why."""

import pytest
import torch

from places import alone, packed
from trivium.model.attention.auto import choose
from trivium.model.attention.kernel import Case
from trivium.model.attention.pattern import Causal, Full, Window
from trivium.model.attention.sparse import Global, Random
from trivium.model.attention.view import View
from trivium.model.layer.position import ALiBi, Bucket, RoPE

LONG, SHORT = alone(4096), alone(64)
ROW, PACKED = packed([[64]], 64), packed([[512] * 8], 4096)
HALF = {"dtype": torch.bfloat16}
BIGBIRD = Window(size=128, both=True) | Global() | Random()


@pytest.mark.parametrize(
    ("where", "pattern", "relative", "changes", "kernel", "reason"),
    [
        (SHORT, Causal(), RoPE(), {}, "sdpa", "whole documents under a causal pattern need no mask"),
        (LONG, Causal(), RoPE(), {}, "sdpa", "whole documents under a causal pattern need no mask"),
        (LONG, Full(), RoPE(), {}, "sdpa", "whole documents under a full pattern need no mask"),
        (LONG, Window(size=8192), RoPE(), {}, "sdpa", "whole documents under a causal pattern need no mask"),
        (ROW, Causal(), RoPE(), {}, "sdpa", "64 keys are few"),
        (SHORT, Window(size=8), RoPE(), {}, "sdpa", "64 keys are few"),
        (LONG, Window(size=256), RoPE(), {}, "tiled", "9% of the blocks of 4,096 keys are seen at all"),
        (LONG, BIGBIRD, RoPE(), {}, "tiled", "of the blocks of 4,096 keys are seen at all"),
        (LONG, Window(size=4000), RoPE(), {}, "tiled", "52% of the blocks"),
        (alone(1024), Window(size=256), RoPE(), {}, "sdpa", "33% of the blocks of 1,024 keys are seen, too many"),
        (alone(1024), Window(size=64), RoPE(), {}, "tiled", "23% of the blocks of 1,024 keys are seen at all"),
        (alone(512), Window(size=64), RoPE(), {}, "sdpa", "44% of the blocks of 512 keys are seen, too many"),
        (PACKED, Causal(), RoPE(), {}, "tiled", "8% of the blocks of 4,096 keys are seen at all"),
        (LONG, Causal(), Bucket(), {}, "tiled", "the bias is trained, and 4,096 keys are too many"),
        (
            LONG,
            Full(),
            Bucket(),
            {"grad": False},
            "sdpa",
            "100% of the blocks of 4,096 keys are seen, too many for tiles",
        ),
        (SHORT, Causal(), Bucket(), {}, "sdpa", "64 keys are few"),
        (LONG, Causal(), ALiBi(), {}, "tiled", "52% of the blocks"),
        (LONG, Causal(), RoPE(), {"softcap": 50.0}, "tiled", "scores are capped, which sdpa cannot"),
        (SHORT, Causal(), RoPE(), {"softcap": 50.0}, "eager", "and the row is short"),
        (LONG, Window(size=64), RoPE(), {"dropout": 0.1}, "sdpa", "attention dropout"),
        (LONG, Causal(), RoPE(), {"dropout": 0.1, "softcap": 50.0}, "eager", "attention dropout"),
        (LONG, Window(size=64), RoPE(), {"device": "cuda"}, "sdpa", "one mask for all layers"),
        (SHORT, Causal(), RoPE(), HALF, "products", "64 keys are few"),
        (ROW, Causal(), Bucket(), {**HALF, "dropout": 0.1}, "products", "64 keys are few"),
        (SHORT, Causal(), RoPE(), {**HALF, "grad": False}, "sdpa", "need no mask"),
        (SHORT, Causal(), RoPE(), {**HALF, "device": "cuda"}, "sdpa", "need no mask"),
        (SHORT, Causal(), RoPE(), {**HALF, "softcap": 50.0}, "eager", "scores are capped"),
        (LONG, Causal(), RoPE(), HALF, "sdpa", "need no mask"),
    ],
)
def test_the_choice_says_why(where, pattern, relative, changes, kernel, reason) -> None:
    view = View(pattern, where, where, where is LONG or where is SHORT, relative.relative(4, 16))
    chosen, why = choose(Case(view, **changes))
    assert chosen.kind == kernel and reason in why, why
    assert chosen.refuse(Case(view, **changes)) is None
