"""Every error is one JSON object with the right status and the field's name, and none has a traceback."""

import pytest

from serving import CHAT, ask, catalog, post
from trivium.base.errors import ModelError, NumericsError
from trivium.infer.chat import ContextExceeded
from trivium.serve.error import ApiError, body, known, response
from trivium.serve.worker import QueueFull


def test_each_kind_of_error_has_its_status() -> None:
    found = [(ModelError("a"), 400), (NumericsError("a"), 500), (QueueFull("a"), 429), (ContextExceeded("a"), 400)]
    for error, status in [*found, (ApiError("a", 413), 413), (ZeroDivisionError("inside"), 500)]:
        assert known(error).status == status
    assert "inside" not in known(ZeroDivisionError("inside")).message
    assert known(ContextExceeded("a")).code == "context_length_exceeded"
    assert response(known(QueueFull("a")), "/").headers["retry-after"] == "1"


def test_a_lone_surrogate_in_an_error_is_sent() -> None:
    assert b"\\ud800" in response(ApiError("x \ud800"), "/").body
    assert body(ApiError("a", param="b"), "/v1/models")["error"]["param"] == "b"


@pytest.mark.parametrize(
    ("changes", "param", "message"),
    [
        ({"temperatur": 0}, "temperatur", "this field is not known here, or not with the value 0"),
        ({"temperature": 3}, "temperature", "expected a number of at most 2.0, found 3"),
        ({"store": True}, "store", "not with the value True"),
        ({"messages": []}, "messages", "expected 1 or more entries"),
        ({"model": None}, "model", "required, and not given"),
    ],
)
def test_the_field_is_named(changes: dict, param: str, message: str) -> None:
    with catalog() as made:
        answer = post(made, "/v1/chat/completions", {**CHAT, **changes})
    error = answer.json()["error"]
    assert answer.status_code == 400 and error["param"] == param and message in error["message"]
    assert error["type"] == "invalid_request_error"


def test_all_fields_are_named_but_not_thousands() -> None:
    wrong = {"temperature": 3, "top_k": 0, "colour": "red", "messages": [{"role": "user"}]}
    with catalog() as made:
        error = post(made, "/v1/chat/completions", {**CHAT, **wrong}).json()["error"]
        many = post(made, "/v1/chat/completions", {**CHAT, **{f"field{n}": 1 for n in range(3000)}}).json()["error"]
    places = [part.partition(": ")[0] for part in error["message"].split("; ")]
    assert sorted(places) == ["colour", "messages.0.content", "temperature", "top_k"] and error["param"] == places[0]
    assert many["message"].endswith("; and 2,992 more") and len(many["message"]) < 1000


def test_what_is_no_json_is_told() -> None:
    with catalog() as made:
        path, json = "/v1/chat/completions", {"content-type": "application/json"}
        answers = ask(
            made,
            lambda client: client.post(path, content=b"{", headers=json),
            lambda client: client.post(path, content=b"[" * 100_000, headers=json),
            lambda client: client.post(path, content=b'"text"', headers=json),
            lambda client: client.post(path, content=b"\xff", headers=json),
            lambda client: client.post(path, content=b"{}"),
            lambda client: client.get(path),
            lambda client: client.get("/nothing"),
        )
    assert [answer.status_code for answer in answers] == [400, 400, 400, 400, 400, 405, 404]
    assert all(answer.json()["error"]["message"] for answer in answers)


def test_a_failure_of_ours_is_told_without_its_inside(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("inside")

    with catalog() as made:
        monkeypatch.setattr(made.served["llama"], "write", broken)
        for stream in (True, False):
            answer = post(made, "/v1/chat/completions", {**CHAT, "stream": stream})
            assert answer.status_code == 500 and answer.json()["error"]["type"] == "server_error"
            assert "inside" not in answer.text and "ZeroDivisionError: inside" in capsys.readouterr().err
