/** A client of allauth's headless API, as far as sign-ins in a browser need it. The browser keeps all sessions. */

import { SessionError } from "../browser/jwt-session.js";

export class Allauth {
  #base;
  #session;

  /**
   * @param {string} base the path at which the API for browsers begins
   * @param {JWTSession} session begins when allauth has signed the user in
   */
  constructor(base, session) {
    this.#base = new URL(base, location.href);
    this.#session = session;
  }

  /**
   * Begin a sign-in: if a user is signed in to Django only, as in its admin, sign them out. Otherwise allauth refuses a
   * password.
   */
  async begin() {
    const response = await this.#send("GET", "auth/session");
    if (response.ok) await this.#send("DELETE", "auth/session");
  }

  /**
   * Send one step of a sign-in. Rejects with a SessionError if it is refused.
   * @returns {Promise<string[]>} the kinds of second factors, if one is still missing; empty if the user is signed in
   */
  async signIn(path, proof) {
    const response = await this.#session.signInWith(() => this.#send("POST", path, proof));
    if (response.status === 200) return [];
    const { body, error } = await refusalOf(response);
    const flows = body.data?.flows ?? [];
    const pending = flows.find((flow) => flow.id === "mfa_authenticate" && flow.is_pending);
    if (response.status !== 401 || !pending) throw error;
    return pending.types;
  }

  /** Do the same with a passkey: the browser asks the user which one. */
  async signInWithPasskey(path) {
    const response = await this.#send("GET", path);
    if (!response.ok) throw (await refusalOf(response)).error;
    const { publicKey } = (await response.json()).data.request_options;
    return this.signIn(path, { credential: await sign(publicKey) });
  }

  /** Return the kinds of factors beside the password that the user has set up; none if the answer is missing. */
  async factors() {
    const response = await this.#send("GET", "account/authenticators").catch(() => null);
    return response?.ok ? (await response.json()).data.map(({ type }) => type) : [];
  }

  #send(method, path, body) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": csrfToken() };
    return fetch(new URL(path, this.#base), { method, headers, body: body && JSON.stringify(body) });
  }
}

export const hasPasskeys = () => Boolean(globalThis.PublicKeyCredential?.parseRequestOptionsFromJSON);

/** Return why this page can't use passkeys; an empty text if it can. */
export const hindrance = () =>
  isSecureContext && !/^[\d.]+$|^\[/.test(location.hostname)
    ? ""
    : "Passkeys require HTTPS, or the host name localhost instead of an IP address.";

/** Return a text for people about an error of navigator.credentials. */
export function passkeyFault(error) {
  if (hindrance()) return hindrance();
  // The browser doesn't tell why.
  return error.name === "NotAllowedError" ? "No passkey was used. Try again, or choose another method." : error.message;
}

async function sign(options) {
  try {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
    return (await navigator.credentials.get({ publicKey })).toJSON();
  } catch (error) {
    throw new Error(passkeyFault(error));
  }
}

/** Django changes this token at each sign-in, so it is read for each request. */
const csrfToken = () => /(?:^|; )csrftoken=([^;]*)/.exec(document.cookie)?.[1] ?? "";

/** Return the body of a response, and the error to show. allauth has a list of errors, and jwt_auth one with a code. */
async function refusalOf(response) {
  const error = await SessionError.of(response.clone());
  const body = await response.json().catch(() => ({}));
  const [first] = body.errors ?? [];
  if (first) Object.assign(error, { code: first.code, message: first.message, errors: {} });
  else if (response.status === 429) error.code = "throttled";
  else if (response.status === 401 && !body.detail) error.message = "The sign-in was refused, or took too long. Start again.";
  return { body, error };
}
