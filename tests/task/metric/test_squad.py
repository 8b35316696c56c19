import random

import pytest
from torchmetrics.functional.text import squad

from trivium.task.metric.squad import squad_metrics


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("The  Cat!", ["cat"], 1, 1),
        ("a black cat", ["the cat"], 0, 2 / 3),
        ("", [], 1, 1),
        ("x", [], 0, 0),
        ("dog", ["cat", "a dog"], 1, 1),
        ("cat cat", ["cat"], 0, 2 / 3),
        ("", ["cat"], 0, 0),
        ("北京。", ["北京"], 1, 1),
        ("在北京市", ["北京"], 0, 2 * 2 / 6),
        ("京北", ["北京"], 0, 2 * 1 / 4),
        ("2008年", ["2008年8月"], 0, 2 * 2 / 6),
    ],
)
def test_answers_are_compared_by_the_rules(answer, references, exact, f1):
    found = squad_metrics([answer], [references])
    assert (found["exact_match"], found["f1"]) == pytest.approx((exact, f1))


def test_rows_are_averaged():
    assert squad_metrics(["a b", "c"], [["b"], ["d"]]) == {"rows": 2, "exact_match": 0.5, "f1": 0.5}


def test_english_answers_score_as_by_the_official_script():
    """torchmetrics computes what SQuAD's script does."""
    draw = random.Random(0)
    words = ["a", "the", "An", "cat", "Cat's", "dog,", "U.S.", "black-white", "12%", " ", "\u2014", "€5", "“the”"]
    for _ in range(100):
        answers = [" ".join(draw.choices(words, k=draw.randint(0, 4))) for _ in range(3)]
        references = [
            [" ".join(draw.choices(words, k=draw.randint(1, 4))) for _ in range(draw.randint(1, 3))] for _ in answers
        ]
        said = [{"prediction_text": text, "id": str(i)} for i, text in enumerate(answers)]
        right = [
            {"answers": {"answer_start": [0] * len(row), "text": row}, "id": str(i)} for i, row in enumerate(references)
        ]
        official = {name: float(value) / 100 for name, value in squad(said, right).items()}
        ours = squad_metrics(answers, references)
        assert {name: ours[name] for name in official} == pytest.approx(official, abs=1e-6), (answers, references)


def test_each_row_has_the_rules_of_its_language():
    answers, right = ["a  Cat", "在北京市", "2008年"], [["the cat"], ["北京"], ["2008"]]
    alone = [squad_metrics([answer], [row])["f1"] for answer, row in zip(answers[:2], right, strict=False)]
    assert squad_metrics(answers[:2], right[:2])["f1"] == pytest.approx(sum(alone) / 2) and alone[0] == 1
    found = squad_metrics(answers, right, ["The cat sleeps.", "他在北京市读书", "北京 2008年8月"])
    assert found["f1"] == pytest.approx((1 + 2 * 2 / 6 + 2 * 1 / 3) / 3), "a number alone does not tell its language"
