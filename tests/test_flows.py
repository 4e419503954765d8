"""From sign-in to sign-out, as a client sees it."""


def test_a_session_from_login_to_logout(client, user, clock):
    pair = client.tokens(user, label="phone")
    assert set(pair) == {"access_token", "token_type", "expires_in", "refresh_token", "refresh_expires_in", "session"}
    assert client.get_me(pair["access_token"]).json()["session"] == pair["session"]
    clock.shift(60)
    fresh = client.refresh(pair["refresh_token"]).json()
    assert fresh["session"] == pair["session"]
    assert client.get_me(fresh["access_token"]).status_code == 200
    assert client.send("logout/", {"refresh_token": fresh["refresh_token"]}).status_code == 204
    assert client.is_dead(fresh)
