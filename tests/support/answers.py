"""The form of every answer with an error."""


def assert_error(answer, status, code):
    assert (answer.status_code, answer.json().get("code")) == (status, code), answer.content
    assert set(answer.json()) - {"errors"} == {"detail", "code"}
    assert isinstance(answer.json()["detail"], str)
    assert ("errors" in answer.json()) <= (status == 400)
    assert answer["Cache-Control"] == "no-store"
    assert ("WWW-Authenticate" in answer) == (status == 401)


def challenge(code=""):
    """Return the challenge of a 401; with `code` for a token that was refused."""
    return 'Bearer realm="api"' + (f', error="invalid_token", error_description="{code}"' if code else "")
