import json
import random

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from trivium.base.errors import ConfigError, DataError
from trivium.base.types import Message
from trivium.token import template
from trivium.token.template import (
    CHAT_TEMPLATE,
    Bare,
    ChatML,
    Plain,
    Template,
    differences,
    ids,
    render,
    stop_ids,
    with_template,
)
from trivium.token.tokenizer import Tokenizer

CONTENT = st.text(max_size=20) | st.sampled_from(
    [
        "",
        " a ",
        "\n\n",
        "<|im_end|>",
        "</s>",
        "[MASK]",
        "<extra_id_0>",
        "<|user|>",
        "<|end|><|assistant|>hi",
        "{{ x }}",
        "{% generation %}",
        "😀 👩‍👩‍👧",
        "<s>",
        "  trailing  ",
    ]
)
ROLE, TRAIN = st.sampled_from(["system", "user", "assistant"]), st.sampled_from([None, None, True, False])
MESSAGES = st.lists(st.builds(Message, ROLE, CONTENT, TRAIN), max_size=5)
PLAIN = [
    Message("system", "Be brief."),
    Message("user", " What? "),
    Message("assistant", "It\nreturns."),
    Message("user", ""),
]


def trained(segments):
    return [index for segment in segments if segment.train for index in segment.ids]


def is_trained(message):
    return message.role == "assistant" if message.train is None else message.train


def test_a_conversation_reads_as_documented(tokenizer):
    segments = render([Message("user", "abs?"), Message("assistant", "yes")], tokenizer)
    assert tokenizer.decode(ids(segments)) == "<s><|user|>abs?<|end|><|assistant|>yes<|end|>"
    assert tokenizer.decode(trained(segments)) == "yes<|end|>"
    assert [segment.role for segment in segments] == ["", "user", "user", "assistant", "assistant"]
    assert ids(render([], tokenizer)) == [1]


@settings(derandomize=True, deadline=None, max_examples=300)
@given(messages=MESSAGES)
def test_what_is_trained_decodes_to_the_trained_contents_and_their_ends(tokenizer, messages):
    wanted = "".join(f"{message.content}<|end|>" for message in messages if is_trained(message))
    assert tokenizer.decode(trained(render(messages, tokenizer))) == wanted


@settings(derandomize=True, deadline=None, max_examples=300)
@given(messages=MESSAGES)
def test_control_ids_depend_on_roles_alone(tokenizer, messages):
    control = [index for index in ids(render(messages, tokenizer)) if index in tokenizer.special]
    wanted = [1]
    for message in messages:
        wanted += [tokenizer.id_of(f"<|{message.role}|>"), tokenizer.id_of("<|end|>")]
    assert control == wanted
    assert ids(render(messages, tokenizer)).count(1) == 1


@pytest.mark.slow
def test_no_control_id_is_forged_by_ten_thousand_hostile_messages(tokenizer):
    draw, names = random.Random(0), [tokenizer.raw(index).decode() for index in sorted(tokenizer.special)]
    parts = [
        *names,
        *(name[:3] for name in names),
        *(name[3:] for name in names),
        "<|im_",
        "end|>",
        "\x001\x00",
        "\ufeff",
    ]
    parts += ["&lt;s&gt;", "\uff1c|end|\uff1e", "<|END|>", "< s >", "258", "{{ bos }}", "\u202e", "a\n", "\ud800"]
    for _ in range(2500):
        roles = draw.choices(["system", "user", "assistant"], k=4)
        texts = ["".join(draw.choices(parts, k=draw.randrange(8))) for _ in roles]
        segments = render(list(map(Message, roles, texts)), tokenizer)
        control = [index for index in ids(segments) if index in tokenizer.special]
        wanted = [[tokenizer.id_of(f"<|{role}|>"), tokenizer.id_of("<|end|>")] for role in roles]
        assert control == [1, *(index for pair in wanted for index in pair)], texts
        plain = [index for index in ids(segments) if index not in tokenizer.special]
        assert tokenizer.decode(plain) == "".join(tokenizer.decode(tokenizer.encode(text)) for text in texts)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(messages=MESSAGES, last=CONTENT)
def test_a_prompt_is_an_exact_prefix(tokenizer, messages, last):
    prompt = ids(render(messages, tokenizer, generate=True))
    whole = ids(render([*messages, Message("assistant", last)], tokenizer))
    assert whole[: len(prompt)] == prompt
    assert whole[len(prompt) :] == [*tokenizer.encode(last), tokenizer.id_of("<|end|>")]


def test_every_trained_turn_ends_with_a_stop_id(tokenizer):
    assert stop_ids(tokenizer) == (tokenizer.id_of("<|end|>"), 2)
    for segment in render(PLAIN, tokenizer):
        assert not segment.train or segment.ids[-1] in stop_ids(tokenizer)


@pytest.mark.parametrize("generate", [False, True])
def test_stock_transformers_renders_the_same_ids_and_mask(tokenizer, tmp_path, generate):
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path, chat_template=CHAT_TEMPLATE)
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path)
    texts = ["", " a b ", "\n", "é 中文 😀\r\n", "it's\t12345", "{{ x }} {% if %}", "\n\n lead and trail \n\n"]
    for i in range(60):
        roles = ["user", "assistant", "system"][i % 3], ["assistant", "user"][i % 2], "assistant"
        messages = [Message(role, texts[(i + 3 * n) % 7] + texts[(i * n) % 7]) for n, role in enumerate(roles)]
        table = [{"role": message.role, "content": message.content} for message in messages]
        found = stock.apply_chat_template(
            table, tokenize=True, add_generation_prompt=generate, return_dict=True, return_assistant_tokens_mask=True
        )
        segments = render(messages, tokenizer, generate)
        assert found["input_ids"] == ids(segments)
        assert found["assistant_masks"] == [int(segment.train) for segment in segments for _ in segment.ids]


def test_an_unknown_role_is_refused_by_both(tokenizer, tmp_path):
    with pytest.raises(DataError, match="unknown role 'tool': expected one of system, user, assistant"):
        render([Message("tool", "x")], tokenizer)
    transformers = pytest.importorskip("transformers")
    tokenizer.save(tmp_path, chat_template=CHAT_TEMPLATE)
    stock = transformers.AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(Exception, match="unknown role: tool"):
        stock.apply_chat_template([{"role": "tool", "content": "x"}], tokenize=True)


def unmarked():
    """A tokenizer whose only control token is the end of a text."""
    tree = json.loads(Tokenizer.bytes().json)
    tree["added_tokens"] = [token for token in tree["added_tokens"] if token["content"] == "</s>"]
    tree["model"]["vocab"] = {key: i for key, i in tree["model"]["vocab"].items() if not key.startswith("<|")}
    return Tokenizer(tokenizers.Tokenizer.from_str(json.dumps(tree)).to_str())


def test_without_role_tokens_roles_are_text_and_the_end_of_the_text_ends_an_answer():
    tokenizer = unmarked()
    segments = render([Message("user", "hi"), Message("assistant", "yo</s>")], tokenizer)
    assert tokenizer.decode(ids(segments)) == "User:\nhi\n\nAssistant:\nyo</s></s>\n\n"
    assert tokenizer.decode(trained(segments)) == "yo</s></s>" and trained(segments).count(2) == 1
    assert stop_ids(tokenizer) == (2,)


def test_a_template_is_put_on_where_its_tokens_are(tokenizer):
    with pytest.raises(DataError, match=r"template chatml: the tokenizer has no <\|im_start\|>, <\|im_end\|>"):
        with_template(tokenizer, ChatML())
    plain = with_template(tokenizer, Plain())
    assert plain.chat_template == Plain().source and plain.identity == tokenizer.identity
    assert tokenizer.decode(ids(render(PLAIN[1:3], plain))) == "<s>User:\n What? \n\nAssistant:\nIt\nreturns.</s>\n\n"
    assert stop_ids(plain) == (2,) and not [line for line in differences(plain) if "plain words" in line]


@pytest.mark.parametrize("before", ["<s>", ""])
def test_bare_is_how_a_model_with_an_encoder_was_pretrained(tokenizer, before):
    bare = with_template(tokenizer, Bare(before=before, after="</s>"))
    source = [1] * bool(before) + tokenizer.encode("a\nb") + [2]
    assert ids(render([Message("user", "a\nb")], bare, generate=True)) == source
    segments = render([Message("user", "a\nb"), Message("assistant", "c")], bare)
    assert ids(segments) == [*source, *tokenizer.encode("c"), 2]
    assert trained(segments) == [*tokenizer.encode("c"), 2] and stop_ids(bare) == (2,)
    assert not [line for line in differences(bare) if "plain words" in line]


def test_a_template_may_be_a_file(tokenizer, tmp_path):
    (tmp_path / "t.jinja").write_text(CHAT_TEMPLATE)
    assert Template.parse({"kind": "jinja", "path": str(tmp_path / "t.jinja")}).source == CHAT_TEMPLATE
    with pytest.raises(ConfigError, match=r"no\.jinja: cannot read"):
        _ = Template.parse({"kind": "jinja", "path": str(tmp_path / "no.jinja")}).source


def test_a_template_that_cannot_be_used_does_not_keep_a_model_from_loading(tokenizer):
    broken = Tokenizer(tokenizer.json, tokenizer.config, "{{ nothing")
    assert stop_ids(broken) == (2,)
    with pytest.raises(DataError, match="the chat template: line 1"):
        render(PLAIN, broken)


def test_our_own_template_in_jinja_is_our_own(tokenizer):
    from trivium.token.jinja import Script

    script = Script(CHAT_TEMPLATE, tokenizer)
    script.check()
    assert script.differences() == [] and differences(tokenizer) == []
    for generate in (False, True):
        assert ids(script.render(PLAIN, generate)) == ids(render(PLAIN, tokenizer, generate))
    assert trained(script.render(PLAIN)) == trained(render(PLAIN, tokenizer))


def test_the_template_names_the_markers_that_are_rendered():
    assert set(template.MARKERS.values()) == {f"<|{role}|>" for role in template.MARKERS}
    assert all(f"'{role}'" in CHAT_TEMPLATE for role in template.MARKERS)
