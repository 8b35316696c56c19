"""CTranslate2 with a folder that `trivium export --to ctranslate2` made: ids, one pass where it has one, greedy ids."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trivium.base.errors import ModelError
from trivium.base.files import read_json
from trivium.base.plugin import extra
from trivium.study.verify.stage import COARSE, TOLERANCE, ParityStage, lacking
from trivium.study.verify.stages.stock import until
from trivium.study.verify.subject import Reply, Subject


def refusal(subject: Subject) -> str | None:
    """Return why CTranslate2 is not asked."""
    if subject.ctranslate2 is None:
        return "no folder was given (--ctranslate2)"
    return lacking("ctranslate2")


def replies(subject: Subject) -> list[Reply]:
    """Return what CTranslate2 says about each text."""
    names = _names(subject)
    places = {name: index for index, name in enumerate(names)}
    name = subject.model.tokenizer.name
    read = [[places.get(name(index), -1) for index in ids] for ids in subject.read]
    found, model = [Reply(ids) for ids in read], _model(subject)
    for at, reply in enumerate(found):
        if reply.read == subject.read[at]:
            _ask(subject, at, model, names, places, reply)
    return found


def _ask(subject: Subject, at: int, model: Any, names: list[str], places: dict[str, int], reply: Reply) -> None:
    ids = subject.read[at]
    stops = tuple(subject.request([at]).stop_ids) if subject.writes else ()
    if not subject.writes:
        reply.states = torch.from_numpy(np.array(model.forward_batch([ids]).last_hidden_state))[0]
    elif subject.both:
        begun = read_json(_folder(subject) / "config.json", ModelError).get("decoder_start_token")
        start = [names[index] for index in subject.prompt(at)]
        start = [] if start == [begun] else start  # where it knows no start, the first of a prefix is the start
        first = [names[index] for name, index in subject.model.forced.items() if name == "first"]
        told: dict[str, Any] = {"beam_size": 1, "max_decoding_length": subject.new_tokens}
        told["target_prefix"] = [[*start, *first]] if start or first else None
        said = model.translate_batch([[names[index] for index in ids]], **told)[0].hypotheses[0]
        most = subject.new_tokens - ("last" in subject.model.forced)  # it forces no last id
        reply.ids = until([places[name] for name in said], stops)[:most]
    else:
        whole = [names[index] for index in [*ids, *(subject.expected[at].ids or [])]]
        reply.logits = torch.from_numpy(np.array(model.forward_batch([whole], return_log_probs=False)))[0]
        told = {"max_length": subject.new_tokens, "sampling_topk": 1, "include_prompt_in_result": False}
        said = model.generate_batch([[names[index] for index in ids]], **told)[0].sequences_ids[0]
        reply.ids = until(said, stops)


def _model(subject: Subject) -> Any:
    ct2 = extra("ctranslate2", "--ctranslate2")
    kind = {"decoder": ct2.Generator, "encoder": ct2.Encoder, "encoder_decoder": ct2.Translator}
    try:
        return kind[subject.model.config.family](str(subject.ctranslate2), compute_type="default")
    except (RuntimeError, ValueError) as wrong:
        raise ModelError(f"{subject.ctranslate2}: CTranslate2 cannot load it: {wrong}") from wrong


def _folder(subject: Subject) -> Path:
    assert subject.ctranslate2 is not None
    return subject.ctranslate2


def _names(subject: Subject) -> list[str]:
    """Return the tokens of the folder, by id."""
    folder = _folder(subject)
    files = [folder / f"{stem}vocabulary.json" for stem in ("shared_", "source_", "")]
    file = next((file for file in files if file.is_file()), files[-1])
    found = read_json(file, ModelError)
    if not isinstance(found, list):
        raise ModelError(f"{file}: expected a list of tokens, found {json.dumps(found):.60}")
    return [str(name) for name in found]


def tolerance(subject: Subject) -> float:
    """Return how far it may be off: more where matrices have fewer bits."""
    return TOLERANCE if _model(subject).compute_type == "float32" else COARSE


STAGE = ParityStage("CTranslate2", 7, replies, refusal, tolerance)
