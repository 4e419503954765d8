"""The lines of JavaScript in the how-to guides are run."""

import re

from tests.support import ROOT
from tests.support.clients import PASSWORD

USE = """async ([name, username, password]) => {
    const docs = await import("/static/browser/docs.js");
    const field = (name, value) => Object.assign(document.createElement("input"), { name, value });
    const form = document.createElement("form");
    form.append(field(name, username), field("label", "laptop"), document.createElement("output"));
    form.append(field("password", "wrong"));
    await docs.signIn(form);
    const refused = form.querySelector("output").value;
    form.querySelector("[name=password]").value = password;
    await docs.signIn(form);
    const found = [document.body.dataset.state, await docs.notes(), (await docs.devices()).map((each) => each.label)];
    await docs.signOut();
    return [refused, ...found, document.body.dataset.state];
}"""


def test_the_client_module_is_used_as_the_how_to_says(app, user):
    blocks = re.findall(r"```js\n(.*?)```", (ROOT / "docs/how-to/single-page-app.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    app.page.route("**/docs.js", lambda route: route.fulfill(body="".join(blocks), content_type="text/javascript"))
    refused, *rest = app.page.evaluate(USE, [user.USERNAME_FIELD, user.get_username(), PASSWORD])
    assert refused == "No active account was found with these credentials."
    assert rest == ["signed-in", [], ["laptop"], "signed-out"]
    app.is_signed_out("You are signed out")
