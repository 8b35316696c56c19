"""Small recipes of the three families whose data are nowhere."""

from trivium.train.recipe import Recipe, read_recipe

SIZES = {
    "decoder": ["model.preset=llama", "objective.kind=causal", "model.decoder.layers=2", "model.decoder.heads=2"],
    "encoder": ["model.preset=bert", "objective.kind=masked", "model.encoder.layers=2", "model.encoder.heads=2"],
    "encoder_decoder": ["model.preset=t5", "objective.kind=denoise"]
    + [f"model.{side}.{key}=2" for side in ("encoder", "decoder") for key in ("layers", "heads")],
}
WIDTH = ["data.path=nowhere", "data.length=64", "model.context=64", "model.hidden_size=64", "model.vocab_size=2048"]


def recipe(family: str, *more: str) -> Recipe:
    """Eight rows of 64 tokens a step, four at a time, for two steps."""
    step = ["batch_tokens=512", "micro_rows=4", "budget_steps=2", "precision=fp32"]
    return read_recipe(None, [*WIDTH, *step, *SIZES[family], *more])
