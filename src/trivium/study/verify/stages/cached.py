"""Step by step: the cache is given one id at a time, those of the prompt too."""

import torch

from trivium.base.batch import Stream
from trivium.infer.padding import left_padded
from trivium.model.device import evaluating
from trivium.study.verify.stage import ParityStage
from trivium.study.verify.subject import Reply, Subject


def replies(subject: Subject) -> list[Reply]:
    """Return logits and greedy ids of each text."""
    return [_reply(subject, at) for at in range(len(subject.texts))]


def _reply(subject: Subject, at: int) -> Reply:
    transformer, request = subject.model.transformer, subject.request([at])
    decoder, prompt, ids = transformer.decoder, subject.prompt(at), list[int]()
    device, stops = transformer.tokens.weight.device, frozenset(request.stop_ids)
    marked = any(pattern.marked for pattern in decoder.config.pattern)
    with evaluating(transformer), torch.inference_mode():
        memory = transformer.encode(left_padded([subject.read[at]], device)) if subject.both else None
        cache, tables = decoder.cache(len(prompt) + subject.new_tokens, memory=memory), []
        steps = [prompt] if marked else [[index] for index in prompt]
        seen = 0
        while steps:
            new = steps.pop(0)
            table = torch.tensor([new], device=device)
            places = torch.arange(seen, seen + len(new), device=device)[None]
            prefix = torch.full_like(table, seen < len(prompt), dtype=torch.bool) if marked else None
            stream = Stream(table, places, torch.ones_like(table), plain=True, prefix=prefix)
            tables.append(transformer.logits(transformer.decode(stream, cache=cache)[0]))
            seen += len(new)
            if steps or len(ids) == subject.new_tokens:
                continue
            scores = tables[-1][-1:, : request.vocabulary]
            bound = request.decoding.bound(scores, [[*prompt, *ids]], len(ids), subject.new_tokens, stops)
            if (best := int(bound.argmax())) not in stops:
                ids.append(best)
                steps.append([best])
    return Reply(logits=torch.cat(tables).clone(), ids=ids)


STAGE = ParityStage(
    "step by step", 1, replies, lambda subject: None if subject.writes else "the model writes nothing: it has no cache"
)
