"""Templates run in a child: in their conventions, and not for ever."""

import json
import subprocess
import sys

import pytest

from trivium.token.sandbox import OUTPUT_CHARACTERS, Sandbox, TemplateError, Veil


@pytest.fixture(scope="module")
def box():
    return Sandbox(seconds=1.0)


def test_the_conventions_of_transformers(box):
    assert box.render("{% for i in x %}{% if i > 1 %}{% break %}{% endif %}{{ i }}{% endfor %}", {"x": [1, 2]}) == "1"
    assert box.render("{{ x | tojson }}", {"x": {"a": "<é>"}}) == '{"a": "<é>"}'
    assert box.render("{% generation %}{{ x }}{% endgeneration %}!", {"x": "\ue0f1"}) == "\ue0f1!"
    assert box.render("{% if x %}\n    a\n{% endif %}\nb", {"x": 1}) == "    a\nb"
    assert len(box.render("{{ strftime_now('%Y') }}", {})) == 4
    with pytest.raises(TemplateError, match="the chat template: not like this"):
        box.render("{{ raise_exception('not like\nthis') }}", {})


def test_limits_of_the_user_are_kept_and_do_not_end_the_child():
    resource = pytest.importorskip("resource")
    code = "from trivium.token.sandbox import Sandbox; print(Sandbox().render('{{ x }}', {'x': 7}))"
    for kind, most in ((resource.RLIMIT_CPU, 120), (resource.RLIMIT_AS, 400 << 20)):
        limit = lambda kind=kind, most=most: resource.setrlimit(kind, (most, most))
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=limit)
        assert run.stdout == "7\n", run.stderr


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}", "more than 1 s"),
        ("{% macro f(n) %}{{ f(n + 1) }}{{ f(n + 1) }}{% endmacro %}{{ f(0) }}", "recursion|more than"),
        ("{{ 'a' * 10 ** 10 }}", "memory"),
        ("{{ '%9999999999d' | format(1) }}", "memory|too"),
        ("{% for i in range(99999) %}{{ 'a' * 99 }}{% endfor %}", f"more than {OUTPUT_CHARACTERS:,} characters"),
        ("{{ ''.__class__.__mro__[1].__subclasses__() }}", "unsafe"),
        ("{{ x.append(1) }}", "unsafe|not safely"),
        ("{{ cycler.__init__.__globals__ }}", "unsafe|undefined"),
    ],
)
def test_what_a_template_may_not_do(box, template, message):
    with pytest.raises(TemplateError, match=message):
        box.render(template, {"x": []})
    assert box.render("{{ x }}", {"x": "still here"}) == "still here"


def test_texts_under_a_veil_come_back_as_they_stand_in_json(box):
    veil = Veil(["<s>", "NUL"])
    value = {"type": "object", "a b": ['"<s>"\n', "é!", 3, None, True], "xNULx": "word"}
    hidden = veil.hide(value)
    assert hidden["type"] == "object" and not any("<s>" in str(one) or "NUL" in str(one) for one in hidden.items())
    assert veil.lift(box.render("{{ x | tojson }}", {"x": hidden})) == json.dumps(value, ensure_ascii=False)
