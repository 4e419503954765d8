/** The dialog for a request that needs a fresh sign-in: it asks for the password. What was typed elsewhere stays there. */

import { byId, clearErrors, onSubmit } from "./dom.js";

export class PasswordDialog {
  #dialog = byId("again");
  #field = byId("again-password");
  // The messages about the whole page. They move into the dialog while it is open: everything behind it is inert, so
  // nobody would see or hear of an outage.
  #announcements = [byId("trouble"), byId("status")];

  /** @param {(proof: object) => Promise<void>} reauthenticate of JWTSession */
  constructor(reauthenticate) {
    onSubmit(byId("again-form"), async () => {
      this.#field.ariaInvalid = "false";
      try {
        await reauthenticate({ password: this.#field.value });
      } catch (error) {
        this.#field.ariaInvalid = "true";
        this.#field.select();
        if (error.code === "invalid_credentials") throw new Error("This is not your password.");
        throw error;
      }
      this.finish();
    });
    byId("again-cancel").addEventListener("click", () => this.cancel());
  }

  /** Ask; return true once the user has signed in again, and false if the user gave up. */
  ask() {
    clearErrors();
    this.#field.value = "";
    this.#field.ariaInvalid = "false";
    this.#dialog.returnValue = "";
    this.#dialog.prepend(...this.#announcements);
    this.#dialog.showModal();
    return new Promise((resolve) => {
      const close = () => {
        document.querySelector("main").before(...this.#announcements);
        this.#field.value = "";
        resolve(this.#dialog.returnValue === "done");
      };
      this.#dialog.addEventListener("close", close, { once: true });
    });
  }

  /** Close the dialog: the user has signed in again. */
  finish() {
    this.#dialog.close("done");
  }

  /** Give up, as when the user has signed out in another tab. */
  cancel() {
    this.#dialog.close("");
  }
}
