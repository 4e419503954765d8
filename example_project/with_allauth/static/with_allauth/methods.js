/** The methods of the sign-in in the access token. No script can read the token, so the page asks the server. */

import { attempt, byId } from "../browser/dom.js";
import { SessionError } from "../browser/jwt-session.js";

export class Methods {
  #session;
  #url;

  constructor(session, url) {
    this.#session = session;
    this.#url = url;
  }

  load() {
    return attempt(byId("methods-error"), async () => {
      const response = await this.#session.fetch(this.#url);
      if (!response.ok) throw await SessionError.of(response);
      const { amr } = await response.json();
      byId("methods").textContent = amr.join(" ") || "none";
    });
  }

  clear() {
    byId("methods").textContent = "";
  }
}
