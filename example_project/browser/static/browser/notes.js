/** A protected resource, as an app would use it: the only difference is session.fetch() instead of fetch(). */

import { attempt, byId, element, onClick, onSubmit, say } from "./dom.js";
import { SessionError } from "./jwt-session.js";

export class Notes {
  #session;
  #url;
  #list = byId("notes");
  #error = byId("notes-error");

  constructor(session, url) {
    this.#session = session;
    this.#url = url;
    onSubmit(byId("add-note"), () => this.#add());
  }

  load() {
    return attempt(this.#error, () => this.#show());
  }

  async #show() {
    const notes = await (await this.#request("")).json();
    this.#list.replaceChildren(...notes.map((note) => this.#row(note)));
    this.#count();
  }

  clear() {
    this.#list.replaceChildren();
    byId("no-notes").hidden = true;
    byId("note-text").value = "";
  }

  async #add() {
    const field = byId("note-text");
    const text = field.value.trim();
    field.focus();
    if (!text) throw new Error("Write something first.");
    const response = await this.#request("", { method: "POST", body: JSON.stringify({ text }) });
    this.#list.prepend(this.#row(await response.json()));
    this.#count();
    field.value = "";
    say("Note added.");
  }

  #row({ id, text }) {
    const button = element("button", { type: "button", className: "quiet", ariaLabel: `Delete note: ${text}` }, "Delete");
    const row = element("li", {}, element("p", { className: "row-text" }, text), button);
    onClick(button, async () => {
      await this.#delete(id);
      // Move the focus to the next note, so that the keyboard does not start at the top of the page.
      const neighbour = row.nextElementSibling ?? row.previousElementSibling;
      row.remove();
      this.#count();
      (neighbour?.querySelector("button") ?? byId("note-text")).focus();
      say("Note deleted.");
    });
    return row;
  }

  async #delete(id) {
    try {
      await this.#request(`${id}/`, { method: "DELETE" });
    } catch (error) {
      if (error.status !== 404) throw error; // deleted already, in another tab
    }
  }

  #count() {
    byId("no-notes").hidden = this.#list.childElementCount > 0;
  }

  async #request(path, init = {}) {
    const headers = { "Content-Type": "application/json" };
    const response = await this.#session.fetch(this.#url + path, { headers, ...init });
    if (!response.ok) throw await SessionError.of(response);
    return response;
  }
}
