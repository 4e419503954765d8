/** The results of a search for the tokens by JavaScript. Nothing here is fixed: each value is looked up. */

import { byId, element, onClick, say, written } from "./dom.js";

// An access token is a JWT and begins with `{"` in base64url; a refresh token is 32 digits, a number and a signature.
const TOKEN = /eyJ[\w-]{10,}|[0-9a-f]{32}\.\d+\./;

/** Return JSON on one line that can wrap. */
const json = (value) => JSON.stringify(value, null, 1).replaceAll(/\n */g, " ");
const names = (list) => (list ? json(list.map(({ name }) => name)) : "not in this browser");
const stored = (storage) => json(Object.fromEntries(Object.entries(storage)));

/** The expression, the function that evaluates it, and a remark on the result. */
const QUESTIONS = [
  ["document.cookie", () => json(document.cookie), "Cookies marked httpOnly are not included."],
  ["cookieStore.getAll()", async () => names(await globalThis.cookieStore?.getAll()), "The newer API leaves them out too."],
  ["localStorage", () => stored(localStorage), "Many tutorials put tokens here. Any script of the page can read it, without a time limit."],
  ["sessionStorage", () => stored(sessionStorage), "The same, until the tab is closed."],
  ["indexedDB.databases()", async () => names(await indexedDB.databases?.()), "Nothing is stored here either."],
];

export class Sight {
  #session;

  constructor(session) {
    this.#session = session;
    onClick(byId("look"), async () => {
      await this.look();
      say("Looked again.");
    });
  }

  async look() {
    const session = ["session", () => json(this.#session), "Everything that the client module knows."];
    const found = await Promise.all([...QUESTIONS, session].map(row));
    byId("findings").replaceChildren(...found);
    byId("looked").textContent = written(new Date(), "medium");
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
