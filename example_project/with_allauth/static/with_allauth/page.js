/** The page with allauth: users sign in with a password, and a second factor if they have one; or with a passkey. */

import { byId, onClick, onSubmit } from "../browser/dom.js";
import { onSignIn, parts, passwordDialog, session } from "../browser/shell.js";
import { Allauth, hasPasskeys, hindrance } from "./allauth.js";
import { Methods } from "./methods.js";

const { allauth: base, auth } = document.body.dataset;

const allauth = new Allauth(base, session);
parts.push(new Methods(session, `${auth}me/`));
/** The dialog offers only what the user has set up. */
parts.push({
  load: async () => offer("again", await allauth.factors()),
  clear: () => offer("again", []),
});

/** Show the field for a code, and the button for a passkey, if they are among `kinds`; return whether a code is. */
function offer(where, kinds) {
  const hasCode = kinds.includes("totp") || kinds.includes("recovery_codes");
  byId(`${where}-code`).hidden = !hasCode;
  byId(`${where}-passkey`).hidden = !(kinds.includes("webauthn") && hasPasskeys());
  return hasCode;
}

/** Show the form for the second factor, if one of these kinds is still missing. */
function askFor(kinds) {
  if (kinds.length === 0) return;
  const hasCode = offer("second", kinds);
  show("second");
  (hasCode ? byId("field-code") : byId("second-passkey")).focus();
}

function show(id) {
  for (const form of ["sign-in", "second"]) byId(form).hidden = form !== id;
  byId("second").reset();
}

/** Send the code of a form to allauth when it is submitted. */
function onCode(form, path, done = () => {}) {
  const field = form.elements.code;
  form.addEventListener("reset", () => (field.ariaInvalid = "false"));
  onSubmit(form, async () => {
    field.ariaInvalid = "false";
    try {
      await allauth.signIn(path, { code: field.value });
    } catch (error) {
      field.ariaInvalid = "true";
      field.select();
      throw error;
    }
    done();
  });
}

onSignIn(async ({ username, password }) => {
  await allauth.begin();
  askFor(await allauth.signIn("auth/login", { username, password }));
});

onCode(byId("second"), "auth/2fa/authenticate");
onClick(byId("second-passkey"), () => allauth.signInWithPasskey("auth/webauthn/authenticate"));
onClick(byId("start-again"), () => {
  show("sign-in");
  byId("field-username").focus();
});

byId("passkey").hidden = !hasPasskeys();
onClick(byId("passkey"), async () => {
  await allauth.begin();
  askFor(await allauth.signInWithPasskey("auth/webauthn/login"));
});

onCode(byId("again-code"), "auth/2fa/reauthenticate", () => passwordDialog.finish());
onClick(byId("again-passkey"), async () => {
  await allauth.signInWithPasskey("auth/webauthn/reauthenticate");
  passwordDialog.finish();
});
byId("again").addEventListener("close", () => byId("again-code").reset());

if (hindrance()) {
  byId("add-passkey").hidden = true;
  byId("about-passkeys").textContent = hindrance();
}

session.addEventListener("change", () => session.state === "signed-in" && show("sign-in"));

await session.start();
