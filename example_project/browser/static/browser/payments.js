/** A form whose request needs a sign-in of the last minute. It only knows that the request may fail. */

import { byId, onSubmit, say } from "./dom.js";
import { SessionError } from "./jwt-session.js";

export class Payments {
  #session;
  #url;
  #form = byId("pay");
  #paid = byId("paid");

  constructor(session, url) {
    this.#session = session;
    this.#url = url;
    onSubmit(this.#form, () => this.#pay());
  }

  load() {}

  clear() {
    this.#form.reset();
    this.#paid.textContent = "";
  }

  async #pay() {
    this.#paid.textContent = "";
    const fields = [byId("recipient"), byId("amount")];
    for (const field of fields) field.ariaInvalid = String(!field.value.trim());
    const empty = fields.find((field) => !field.value.trim());
    empty?.focus();
    if (empty) throw new Error("Both the recipient and the amount are needed.");
    const response = await this.#session.fetch(this.#url, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(Object.fromEntries(new FormData(this.#form))),
    });
    // What was typed stays, so that the user can try again.
    if (!response.ok) {
      const error = await SessionError.of(response);
      for (const field of fields) field.ariaInvalid = String(field.name in error.errors);
      throw error;
    }
    const { recipient, amount } = await response.json();
    this.clear();
    this.#paid.textContent = `${amount} paid to ${recipient}.`;
    say(this.#paid.textContent);
  }
}
