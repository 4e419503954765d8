/** What JavaScript finds when it looks for the tokens: nothing here is told, everything is looked up. */

import { byId, element, onClick, say } from "./dom.js";

// An access token is a JWT, which begins with `{"` in base64url; a refresh token is 32 digits, a number and a signature.
const TOKEN = /eyJ[\w-]{10,}|[0-9a-f]{32}\.\d+\./;

/** JSON on one line that may be broken. */
const json = (value) => JSON.stringify(value, null, 1).replaceAll(/\n */g, " ");
const names = (list) => (list ? json(list.map(({ name }) => name)) : "not in this browser");
const stored = (storage) => json(Object.fromEntries(Object.entries(storage)));

/** What is asked, how, and what to know about the answer. */
const QUESTIONS = [
  ["document.cookie", () => json(document.cookie), "Cookies marked httpOnly are left out."],
  ["cookieStore.getAll()", async () => names(await globalThis.cookieStore?.getAll()), "So it is in the newer interface."],
  ["localStorage", () => stored(localStorage), "Where many tutorials put tokens. Any script of the page reads it, for ever."],
  ["sessionStorage", () => stored(sessionStorage), "The same, until the tab is closed."],
  ["indexedDB.databases()", async () => names(await indexedDB.databases?.()), "Nothing is kept there either."],
];

export class Sight {
  #session;

  constructor(session) {
    this.#session = session;
    onClick(byId("look"), byId("status"), async () => {
      await this.look();
      say("Looked again.");
    });
  }

  async look() {
    const session = ["session", () => json(this.#session), "All that the client module knows."];
    const found = await Promise.all([...QUESTIONS, session].map(row));
    byId("findings").replaceChildren(...found);
  }
}

async function row([question, look, remark]) {
  const answer = await look();
  const verdict = TOKEN.test(answer) ? "a token!" : "no token";
  return element(
    "div",
    {},
    element("dt", {}, element("code", {}, question)),
    element(
      "dd",
      {},
      element("code", { className: "answer" }, answer),
      element("span", { className: "verdict" }, verdict),
      element("span", { className: "hint" }, remark),
    ),
  );
}
