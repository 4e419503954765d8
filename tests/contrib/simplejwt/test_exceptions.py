"""The errors of simplejwt: their bodies."""

from jwt_auth.contrib.simplejwt.exceptions import AuthenticationFailed, InvalidToken


def test_the_body_has_detail_and_code():
    assert InvalidToken().detail == {"detail": "Token is invalid or expired", "code": "token_not_valid"}
    assert InvalidToken("No", code="no").detail == {"detail": "No", "code": "no"}
    assert InvalidToken({"detail": "No", "more": ["a"]}).detail == {
        "detail": "No",
        "code": "token_not_valid",
        "more": ["a"],
    }
    assert AuthenticationFailed().detail["code"] == "authentication_failed"
