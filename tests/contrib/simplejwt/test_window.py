from tests.support.former import former_pair


def test_smoke(client, user, clock):
    former = former_pair(user, role="x")
    assert client.get_me(former["access"]).status_code == 200
    answer = client.refresh(former["refresh"])
    assert answer.status_code == 200, answer.content
    again = client.refresh(former["refresh"])
    assert again.status_code == 200, again.content
    assert again.json()["refresh_token"] == answer.json()["refresh_token"]
    clock.shift(100)
    assert client.get_me(former["access"]).status_code == 200
    answer = client.refresh(former["refresh"])
    assert answer.status_code == 401, answer.content
    assert answer.json()["code"] == "refresh_token_reused"
    assert client.get_me(former["access"]).status_code == 401
