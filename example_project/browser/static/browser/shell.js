/**
 * The page shows the parts for the current state, and moves the keyboard focus. page.js has the way to sign in.
 */

import { Clock } from "./clock.js";
import { Devices } from "./devices.js";
import { byId, clearErrors, onClick, onSubmit, say } from "./dom.js";
import { JWTSession } from "./jwt-session.js";
import { Notes } from "./notes.js";
import { PasswordDialog } from "./password.js";
import { Payments } from "./payments.js";
import { Sight } from "./sight.js";

const { auth, notes: notesUrl, payments: paymentsUrl, username: usernameField } = document.body.dataset;

export const session = new JWTSession({ base: auth, heartbeat: 5, signInAgain: () => passwordDialog.ask() });
export const passwordDialog = new PasswordDialog((proof) => session.reauthenticate(proof));
/** The parts that are loaded for each user, and cleared afterwards. */
export const parts = [new Notes(session, notesUrl), new Devices(session), new Payments(session, paymentsUrl)];
const [clock, sight] = [new Clock(session), new Sight(session)];

const REASONS = {
  signed_out: "You are signed out.",
  signed_out_everywhere: "You are signed out on all your devices.",
  token_revoked: "Your session was ended from elsewhere: by you on another device, or by an administrator.",
  token_expired: "Your session has expired. Sign in to go on.",
  refresh_token_reused:
    "Your session was ended because somebody used a copy of its refresh token. Sign in, and change your password.",
};

let shown = { state: "unknown", id: null, user: null };

session.addEventListener("change", () => {
  if (session.available && !byId("trouble").hidden) clearErrors(); // the outage is over
  byId("trouble").hidden = session.available;
  byId("trouble").textContent = session.available
    ? ""
    : "The server can’t be reached at the moment. This signs nobody out; the page tries again automatically.";
  if (session.state === "unknown" || (session.state === shown.state && session.id === shown.id)) return;
  const before = shown;
  shown = { state: session.state, id: session.id, user: session.user?.id ?? null };
  if (shown.user !== null && shown.user === before.user) {
    load(); // the same user has signed in again: what is typed stays
    return;
  }
  passwordDialog.cancel();
  clearErrors();
  say(""); // screen readers still find the last announcement, such as a payment of the former user
  for (const part of [...parts, clock]) part.clear();
  (session.state === "signed-in" ? showSignedIn : showSignedOut)(before.state !== "unknown");
  sight.look();
});

function showSignedIn(moved) {
  reveal("signed-in");
  byId("sign-in").reset();
  byId("username").textContent = session.user[usernameField];
  clock.show();
  load();
  if (moved) byId("notes-heading").focus();
  if (moved) say(`Signed in as ${session.user[usernameField]}.`);
}

function showSignedOut(moved) {
  reveal("signed-out");
  const notice = byId("notice");
  notice.textContent = REASONS[session.reason] ?? (moved ? REASONS.signed_out : "");
  notice.hidden = notice.textContent === "";
  notice.classList.toggle("alarm", ["token_revoked", "refresh_token_reused"].includes(session.reason));
  if (moved) byId("sign-in-heading").focus();
}

function reveal(id) {
  for (const view of ["signed-in", "signed-out"]) byId(view).hidden = view !== id;
  byId("account").hidden = id !== "signed-in";
  byId("sight").hidden = false;
}

/** Load each part separately, so that a failure does not affect the others. */
function load() {
  for (const part of parts) part.load();
}

/** Call `signIn` with the fields of the form when it is sent. */
export function onSignIn(signIn) {
  onSubmit(byId("sign-in"), async () => {
    const fields = [byId("field-username"), byId("field-password")];
    for (const field of fields) field.ariaInvalid = String(!field.value);
    const empty = fields.find((field) => !field.value);
    empty?.focus();
    if (empty) throw new Error("Both the name and the password are needed.");
    try {
      await signIn(Object.fromEntries(new FormData(byId("sign-in"))));
    } catch (error) {
      byId("field-password").select();
      throw error;
    }
  });
}

onClick(byId("sign-out"), () => session.signOut());
onClick(byId("renew"), async () => {
  if (await session.refresh()) say("The access token is renewed.");
  else if (session.state === "signed-in") throw new Error("It could not be renewed. The page tries again automatically.");
});

// The user may have signed in elsewhere since, so load the parts again at renewals and when the page becomes visible.
session.addEventListener("renewed", () => session.state === "signed-in" && parts[1].load());
document.addEventListener("visibilitychange", () => !document.hidden && shown.state === "signed-in" && load());
