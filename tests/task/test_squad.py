import pytest

from trivium.task.squad import squad_metrics


@pytest.mark.parametrize(("answer", "references", "exact", "f1"), [
    ("The  Cat!", ["cat"], 1, 1), ("a black cat", ["the cat"], 0, 2 / 3), ("", [], 1, 1), ("x", [], 0, 0),
    ("dog", ["cat", "a dog"], 1, 1), ("cat cat", ["cat"], 0, 2 / 3), ("", ["cat"], 0, 0),
    ("北京。", ["北京"], 1, 1), ("在北京市", ["北京"], 0, 2 * 2 / 6), ("京北", ["北京"], 0, 2 * 1 / 4),
    ("2008年", ["2008年8月"], 0, 2 * 2 / 6),
])  # fmt: skip
def test_answers_are_compared_by_the_rules(answer, references, exact, f1):
    found = squad_metrics([answer], [references])
    assert (found["exact_match"], found["f1"]) == pytest.approx((exact, f1))


def test_rows_are_averaged():
    assert squad_metrics(["a b", "c"], [["b"], ["d"]]) == {"rows": 2, "exact_match": 0.5, "f1": 0.5}
