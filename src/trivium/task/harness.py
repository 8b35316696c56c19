"""The bridge to lm-evaluation-harness: the model answers its requests for log-likelihoods and for text.

`run(model, ["my_task"], folder_of_yaml_files)` returns the harness's own results. The harness is an extra
(`pip install lm_eval`). An encoder alone has no likelihood of a text, so it is refused.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trivium import api
from trivium.base.batch import collate
from trivium.base.errors import ConfigError, ModelError
from trivium.base.plugin import extra
from trivium.base.types import IGNORE, Example
from trivium.infer.padding import by_length
from trivium.model.device import evaluating, pick, place
from trivium.token.layout import Layout

BATCH_ROWS = 16


def run(
    model: str | Path | api.Model,
    tasks: Sequence[str],
    include: str | Path | None = None,
    fewshot: int | None = None,
    limit: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Score a model on tasks of the harness and return {task: {metric: value}}; `include` is a folder of task files."""
    lm_eval, tasks_of = extra("lm_eval", "--harness"), extra("lm_eval.tasks", "--harness")
    loaded = model if isinstance(model, api.Model) else api.load(model, device=pick())
    manager = tasks_of.TaskManager(include_path=str(include) if include else None)
    if unknown := [task for task in tasks if task not in manager.all_tasks]:
        where = f"the harness and {include} have" if include else "the harness has"
        raise ConfigError(f"--harness: {', '.join(unknown)}: {where} no such task")
    found = lm_eval.simple_evaluate(
        bridge(loaded), tasks=list(tasks), num_fewshot=fewshot, limit=limit, task_manager=manager, bootstrap_iters=0
    )
    return {
        task: {key.split(",")[0]: value for key, value in values.items() if isinstance(value, int | float)}
        for task, values in found["results"].items()
    }


def bridge(model: api.Model) -> Any:
    """Return the model as the harness's `LM`."""
    if model.config.family == "encoder":
        raise ModelError("the harness needs a model that writes: a decoder or an encoder-decoder")
    from lm_eval.api.model import TemplateLM
    from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

    tokenizer = model.tokenizer
    bos, eos = tokenizer.vocabulary.bos, tokenizer.vocabulary.eos
    seq2seq = model.config.family == "encoder_decoder"
    longest = model.config.limit or model.config.context

    class Bridge(TemplateLM):
        """The requests of the harness."""

        backend = "seq2seq" if seq2seq else "causal"

        @property
        def eot_token_id(self) -> int:
            return eos if eos is not None else bos or 0

        @property
        def prefix_token_id(self) -> int:
            return bos if bos is not None else self.eot_token_id

        def tok_encode(self, string: str, add_special_tokens: bool | None = None, **kwargs: Any) -> list[int]:
            before = () if seq2seq or add_special_tokens is False else model.layout().frame.before
            return [*before, *tokenizer.encode(string)]

        def _loglikelihood_tokens(self, requests: Any, **kwargs: Any) -> list[tuple[float, bool]]:
            return likelihoods(model, [(context, text) for _, context, text in requests], longest)

        def loglikelihood_rolling(self, requests: Any, disable_tqdm: bool = False) -> list[float]:
            sums = []
            for request in requests:
                ids = tokenizer.encode(request.args[0])
                windows = get_rolling_token_windows(ids, self.prefix_token_id, longest - 1, context_len=1)
                pairs = [make_disjoint_window(window) for window in windows]
                sums.append(sum(score for score, _ in likelihoods(model, pairs, longest)))
            return sums

        def generate_until(self, requests: Any, disable_tqdm: bool = False) -> list[str]:
            out = []
            for request in requests:
                prompt, options = request.args
                until = options.get("until") or []
                until = [until] if isinstance(until, str) else [stop for stop in until if stop]
                count = min(int(options.get("max_gen_toks", 256)), longest)
                out.append(
                    model.generate(
                        prompt, max_new_tokens=count, stop=until, temperature=float(options.get("temperature") or 0.0)
                    )
                )
            return out

    return Bridge()


def likelihoods(
    model: api.Model, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], longest: int
) -> list[tuple[float, bool]]:
    """Return for each (context ids, following ids) their log-likelihood in nats and whether they are greedy.

    A pair longer than `longest` positions loses the beginning of its context.
    """
    found: list[tuple[float, bool]] = [(0.0, True)] * len(pairs)
    transformer, device = model.transformer, model.transformer.tokens.weight.device
    layout = model.layout()
    examples = [_example(layout, *pair, longest) for pair in pairs]
    with evaluating(transformer):
        for some in by_length(examples, BATCH_ROWS):
            batch = place(collate([[examples[row]] for row in some], pad=0), device)
            rows, columns = (batch.targets["token"] != IGNORE).nonzero(as_tuple=True)
            scores = transformer.logits(transformer(batch)[rows, columns]).log_softmax(dim=-1)  # N V
            wanted = batch.targets["token"][rows, columns]
            nats = scores.gather(1, wanted[:, None])[:, 0].double()
            best = scores.argmax(dim=-1) == wanted
            for number, row in enumerate(some):
                here = rows == number
                found[row] = (float(nats[here].sum()), bool(best[here].all()))
    return found


def _example(layout: Layout, context: Sequence[int], text: Sequence[int], longest: int) -> Example:
    """Return an Example whose targets are the ids after a context."""
    if layout.family == "encoder_decoder":
        read, _, _ = layout.frame.lay([context[-(longest - 2) :]])
        written = np.array([layout.start, *text], dtype=np.int64)[: longest + 1]
        return Example(enc=read, dec=written[:-1], targets={"token": written[1:]})
    ids = np.array([*context, *text], dtype=np.int64)[-(longest + 1) :]
    targets = ids[1:].copy()
    targets[: max(len(ids) - 1 - len(text), 0)] = IGNORE
    return Example(dec=ids[:-1], targets={"token": targets})
