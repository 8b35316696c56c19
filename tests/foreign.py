"""Tokenizers and chat templates as other people's model folders have them, written for these tests."""

import json
from functools import lru_cache

import tokenizers
from tokenizers import AddedToken, decoders, models, pre_tokenizers, trainers

from trivium.token.bpe import SPLIT
from trivium.token.template import ChatML, Llama3Template
from trivium.token.tokenizer import Tokenizer

QWEN = """\
{%- if messages[0].role == 'system' %}
    {{- '<|im_start|>system\\n' + messages[0].content + '<|im_end|>\\n' }}
{%- endif %}
{%- set ns = namespace(last=-1) %}
{%- for message in messages %}
    {%- if message.role == 'user' %}{% set ns.last = loop.index0 %}{% endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.role == 'user' or (message.role == 'system' and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == 'assistant' %}
        {%- set content = message.content %}
        {%- if '</think>' in content %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>assistant\\n' }}
        {%- generation %}
        {%- if loop.last and loop.index0 > ns.last %}
            {{- '<think>\\n\\n</think>\\n\\n' }}
        {%- endif %}
        {{- content + '<|im_end|>' }}
        {%- endgeneration %}
        {{- '\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
{%- endif %}
"""
"""Roles in lines of their own; an empty thought before the newest answer, and thoughts of older ones cut away."""

MISTRAL = """\
{{- bos_token }}
{%- if messages[0]['role'] == 'system' %}
    {%- set system = messages[0]['content'] + '\\n\\n' %}{%- set turns = messages[1:] %}
{%- else %}
    {%- set system = '' %}{%- set turns = messages %}
{%- endif %}
{%- for message in turns %}
    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}
        {{- raise_exception('user and assistant must take turns') }}
    {%- endif %}
    {%- if message['role'] == 'user' %}
        {{- '[INST] ' + (system if loop.first else '') + message['content'] + ' [/INST]' }}
    {%- else %}
        {%- generation %}{{- ' ' + message['content'] + eos_token }}{%- endgeneration %}
    {%- endif %}
{%- endfor %}
"""
"""No header before an answer: a space, the answer and the end of the text."""

FOREIGN = {
    "chatml": (ChatML().source, None, "<|im_end|>", ("<|im_start|>", "<|im_end|>", "<|endoftext|>")),
    "llama3": (
        Llama3Template().source,
        "<|begin_of_text|>",
        "<|eot_id|>",
        ("<|begin_of_text|>", *Llama3Template.needs[1:]),
    ),
    "qwen": (QWEN, None, "<|im_end|>", ("<|im_start|>", "<|im_end|>", "<|endoftext|>")),
    "mistral": (MISTRAL, "<s>", "</s>", ("<s>", "</s>", "[INST]", "[/INST]")),
}
"""Template, BOS, the end of an answer, control tokens."""

TEXT = (
    "the user says what abs does\n\nand returns  absolute values of numbers\n 中文 测试 naïve café for 😀 "
    "assistant\nuser\nsystem\n\n hi\n\n\n "
) * 40


@lru_cache
def foreign(name: str) -> Tokenizer:
    """A byte-level tokenizer with the control tokens of a family, whose merges reach over spaces and line ends."""
    template, bos, eos, control = FOREIGN[name]
    bpe = tokenizers.Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(tokenizers.Regex(SPLIT), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    bpe.decoder = decoders.ByteLevel()
    special = [AddedToken(one, special=True, normalized=False) for one in ("<pad>", *control)]
    bpe.train_from_iterator(
        [TEXT],
        trainers.BpeTrainer(
            vocab_size=420,
            show_progress=False,
            special_tokens=special,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        ),
    )
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": "<pad>",
        "eos_token": eos,
        "clean_up_tokenization_spaces": False,
    }
    if bos:
        config["bos_token"] = bos
    return Tokenizer(json.dumps(json.loads(bpe.to_str())), config, template)
