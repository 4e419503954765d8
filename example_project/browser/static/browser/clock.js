/** The live countdown. It needs no token, because the server sends the lifetime. */

import { byId, written } from "./dom.js";

export class Clock {
  #session;
  #renewals = 0;

  constructor(session) {
    this.#session = session;
    session.addEventListener("renewed", ({ detail }) => this.#count(detail.by));
    setInterval(() => this.show(), 250);
  }

  show() {
    const { expiresAt, lifetime } = this.#session;
    if (expiresAt === null) return;
    const left = Math.max(0, expiresAt - Date.now());
    const seconds = Math.ceil(left / 1000);
    byId("countdown").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    byId("wick").setAttribute("width", Math.min(1000, (1000 * left) / lifetime));
  }

  clear() {
    this.#renewals = 0;
    byId("renewals").textContent = "Not renewed since this page was opened.";
  }

  #count(by) {
    this.#renewals += 1;
    const times = ["once", "twice"][this.#renewals - 1] ?? `${this.#renewals} times`;
    const last = this.#renewals === 1 ? "" : "last ";
    byId("renewals").textContent = `Renewed ${times} since this page was opened, ${last}at ${written(new Date(), "medium")} by ${by}.`;
  }
}
