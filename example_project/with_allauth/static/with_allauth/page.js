/** The page with allauth: users sign in with a password, and a second factor if they have one; or with a passkey. */

import { byId, onClick, onSubmit } from "../browser/dom.js";
import { onSignIn, parts, question, session } from "../browser/shell.js";
import { Allauth, hasPasskeys } from "./allauth.js";
import { Methods } from "./methods.js";

const { allauth: base, auth } = document.body.dataset;

const allauth = new Allauth(base, session);
parts.push(new Methods(session, `${auth}me/`));

/** Show the form for the second factor, if one of these kinds is still missing. */
function askFor(kinds) {
  if (kinds.length === 0) return;
  const hasCode = kinds.includes("totp") || kinds.includes("recovery_codes");
  byId("code-step").hidden = !hasCode;
  byId("second-passkey").hidden = !(kinds.includes("webauthn") && hasPasskeys());
  show("second");
  (hasCode ? byId("field-code") : byId("second-passkey")).focus();
}

function show(id) {
  for (const form of ["sign-in", "second"]) byId(form).hidden = form !== id;
  byId("second").reset();
  byId("field-code").ariaInvalid = "false";
}

onSignIn(async ({ username, password }) => {
  await allauth.begin();
  askFor(await allauth.signIn("auth/login", { username, password }));
});

onSubmit(byId("second"), async () => {
  const field = byId("field-code");
  try {
    await allauth.signIn("auth/2fa/authenticate", { code: field.value });
  } catch (error) {
    field.ariaInvalid = "true";
    field.select();
    throw error;
  }
});
onClick(byId("second-passkey"), () => allauth.signInWithPasskey("auth/webauthn/authenticate"));
onClick(byId("start-again"), () => {
  show("sign-in");
  byId("field-username").focus();
});

for (const id of ["passkey", "again-passkey"]) byId(id).hidden = !hasPasskeys();
onClick(byId("passkey"), async () => {
  await allauth.begin();
  askFor(await allauth.signInWithPasskey("auth/webauthn/login"));
});
onClick(byId("again-passkey"), async () => {
  await allauth.signInWithPasskey("auth/webauthn/reauthenticate");
  question.finish();
});

session.addEventListener("change", () => session.state === "signed-in" && show("sign-in"));

await session.start();
