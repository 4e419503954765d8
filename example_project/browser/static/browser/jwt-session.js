/**
 * A session of a single-page app whose tokens no script can read. Copy this file: it has no dependencies.
 *
 * The server (`jwt_auth.browser_urls`) keeps both tokens in httpOnly cookies. This module only knows the user and the
 * lifetime of the access token, and keeps them in memory: it stores nothing.
 *
 *     const session = new JWTSession();
 *     session.addEventListener("change", () => render(session.state, session.user));
 *     await session.start();
 *     const response = await session.fetch("/api/notes/"); // as fetch(), for your own API
 *
 * The module handles responses as follows:
 *
 *     200 ... 400, 403, 404    returned to you
 *     401                      one refresh for all requests and tabs; then the request is sent once more
 *     401 for a fresh sign-in  `signInAgain` asks the user, once for all requests; then the request is sent once more
 *     401 to that refresh      signed out in all tabs; `reason` has the server's code
 *     429, 503, no answer      to a refresh: still signed in, tried again later. To a request: returned to you
 *
 * Tabs take turns (`navigator.locks`) and share their state (`BroadcastChannel`). On plain http browsers have no
 * locks, so two tabs may refresh at once; the server gives both the same successor.
 */
export class JWTSession extends EventTarget {
  /** "unknown" until the server has answered, then "signed-in" or "signed-out". */
  state = "unknown";
  /** `{id, username}` as in the server's `me/`; null if signed out. */
  user = null;
  /** The session's id: one sign-in in one browser. */
  id = null;
  /** The expiry time of the access token by this machine's clock (milliseconds, as Date.now()). */
  expiresAt = null;
  /** The full lifetime of the access token in milliseconds. */
  lifetime = null;
  /** The reason for being signed out: "signed_out", "signed_out_everywhere" or the server's code ("token_revoked", ...). */
  reason = null;
  /** False while the server can't be reached; meanwhile the session is neither renewed nor given up. */
  available = true;

  #base;
  #name;
  #heartbeat;
  #headers;
  #credentials;
  #signInAgain;
  #channel;
  #timer = null;
  #refreshing = null;
  #asking = null;
  #renewals = 0; // by this tab or by others
  #signIns = 0; // again, in this tab
  #failures = 0; // in a row
  #retryKey = null; // proves that a refresh repeats one whose answer was lost, as when the laptop was closed meanwhile

  /**
   * @param {object} [options]
   * @param {string} [options.base] the path at which `jwt_auth.browser_urls` is included
   * @param {string} [options.name] name of the lock and the channel, if one origin has several apps
   * @param {number} [options.heartbeat] interval in seconds at which a visible tab checks that it is still signed in, so
   *   that an idle page notices a revocation. With 0 it notices at its next request, or the next refresh
   * @param {() => object} [options.headers] returns more headers for sign-in, sign-out and so on, such as Django's
   *   X-CSRFToken
   * @param {string} [options.credentials] as in fetch(): "include" if the API has another host name
   * @param {() => Promise<boolean>} [options.signInAgain] is called if a request needs a fresh or stronger sign-in
   *   (RFC 9470). Ask the user, call reauthenticate(), and return whether it succeeded; false if the user gave up.
   *   Without it, such a 401 is returned to you at once
   */
  constructor({
    base = "/auth/browser/",
    name = "jwt-session",
    heartbeat = 0,
    headers = () => ({}),
    credentials = "same-origin",
    signInAgain = null,
  } = {}) {
    super();
    this.#base = new URL(base, location.href);
    this.#name = name;
    this.#heartbeat = heartbeat * 1000;
    this.#headers = headers;
    this.#credentials = credentials;
    this.#signInAgain = signInAgain;
  }

  /** Find out who is signed in, and keep the session alive. Call it once. Fires "change". */
  async start() {
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#hear(data);
    // Timers stop in hidden tabs and closed laptops. A hidden tab does not keep the session alive.
    document.addEventListener("visibilitychange", () => this.#tick());
    addEventListener("online", () => this.#tick());
    await this.check();
  }

  /** Ask the server who is signed in. */
  async check() {
    const response = await this.#ask(() => this.fetch(this.#url("me/")));
    if (response?.ok) {
      const { user, session, issued_at, expires_at } = await response.json();
      const end = Date.parse(expires_at);
      const lifetime = end - Date.parse(issued_at);
      // Both times are by the server's clock, because this machine's may be wrong. The Date header has whole seconds:
      // subtract one.
      const left = end - Date.parse(response.headers.get("Date") ?? new Date().toUTCString()) - 1000;
      const expiresAt = Math.max(this.id === session ? this.expiresAt : 0, Date.now() + left);
      this.#set({ state: "signed-in", reason: null, user, id: session, expiresAt, lifetime });
    } else if (response?.status === 401) {
      // A refused refresh has already set the state. A refresh without an answer is tried again later.
      if (this.state === "unknown" && this.available) this.#signedOut((await SessionError.of(response)).code);
    } else if (response) {
      this.#trouble(response);
    }
  }

  /**
   * Sign in. Rejects with a SessionError if the server refuses, or if the browser does not keep the cookies.
   * @param {object} credentials the user model's USERNAME_FIELD, `password`, and `label`, a name for this device
   */
  async signIn(credentials) {
    // Not during a refresh, because its cookies would replace those of the new session.
    await this.#alone(async () => {
      const response = await this.#send("POST", "login/", credentials, fetch);
      this.#renewals += 1;
      this.#set({ state: "unknown", user: null, ...lifeOf(await response.json()) });
    });
    await this.#arrive();
  }

  /**
   * Sign in, also again, with a request of your own that sets the session's cookies, such as one to django-allauth.
   * @param {() => Promise<Response>} send sends the request; a response with status 200 signs the user in. Use the
   *   browser's `fetch()`: that of this object would wait for a refresh, which waits for `send`
   * @returns {Promise<Response>} the response, also if a step is missing
   */
  async signInWith(send) {
    const response = await this.#alone(async () => {
      const answer = await send();
      if (answer.status !== 200) return answer;
      this.#renewals += 1;
      // Until it is known who that is, no request that waits may be sent again: it may be another user's.
      Object.assign(this, { state: "unknown", user: null, id: null });
      return answer;
    });
    if (response.status === 200) {
      await this.#arrive();
      this.#signIns += 1;
    }
    return response;
  }

  /** Find out who has signed in, and tell the other tabs. */
  async #arrive() {
    await this.check();
    if (this.state === "signed-out") {
      const message = "The browser does not send the session’s cookies, or sends others beside them.";
      throw new SessionError({ status: 401, code: this.reason, message, retryAfter: null });
    }
    this.#tell({ type: "signed-in", id: this.id });
  }

  /**
   * Replace this session by a new one of the same user, in all tabs. Rejects with a SessionError if the server refuses.
   * @param {object} proof `password`, or what your own sign-in expects
   */
  async reauthenticate(proof) {
    try {
      await this.#replace(proof);
    } catch (error) {
      // The access token may have expired while the user typed.
      if (error.status !== 401 || error.code === "invalid_credentials" || !(await this.refresh())) throw error;
      await this.#replace(proof);
    }
    await this.check();
    this.#tell({ type: "signed-in", id: this.id });
  }

  /** Replace the session, but not during a refresh: its cookies would replace those of the new session. */
  #replace(proof) {
    return this.#alone(async () => {
      const response = await this.#send("POST", "reauthenticate/", proof, fetch);
      this.#renewals += 1;
      this.#signIns += 1;
      this.#set(lifeOf(await response.json()));
    });
  }

  /** End this session. Rejects if the server can't be reached; then the session has not ended. */
  async signOut() {
    await this.#alone(() => this.#send("POST", "logout/", {}, fetch));
    this.#signedOut("signed_out");
  }

  /** End all sessions of this user, including this one. */
  async signOutEverywhere() {
    await this.#send("POST", "logout/all/", {});
    this.#signedOut("signed_out_everywhere");
  }

  /** Return a page of a hundred live sessions of this user: `{count, results: [{id, label, device, current, shared, ...}], ...}`. */
  async sessions(page = 1) {
    return (await this.#send("GET", `sessions/?page=${page}`)).json();
  }

  /** End one session of this user. */
  async endSession(id) {
    await this.#send("DELETE", `sessions/${id}/`);
  }

  /** End all sessions of this user except this one. */
  async endOtherSessions() {
    await this.#send("DELETE", "sessions/");
  }

  /**
   * Like fetch(), but if the access token has expired, refresh it and send the request once more. If the request needs a
   * fresh sign-in, ask for it and send the request once more; a second such answer is returned to you.
   */
  async fetch(input, init) {
    const request = new Request(input, { credentials: this.#credentials, ...init });
    const [user, before] = [this.user?.id, this.#signIns];
    const response = await this.#fetchRenewed(request);
    if (this.#signInAgain === null || !(await wantsSignIn(response))) return response;
    const done = this.#signIns !== before || (await this.#askAgain());
    // If another user signed in meanwhile in another tab, the request must not be sent in their name.
    return done && this.user?.id === user ? fetch(request) : response;
  }

  async #fetchRenewed(request) {
    const [whose, before] = [this.id, this.#renewals];
    const response = await fetch(request.clone());
    if (response.status !== 401 || (await wantsSignIn(response))) return response;
    const renewed = this.#renewals !== before || (await this.refresh());
    // As above.
    return renewed && (whose === null || whose === this.id) ? fetch(request.clone()) : response;
  }

  /** One question for all requests that wait for its answer. */
  #askAgain() {
    this.#asking ??= this.#signInAgain().finally(() => (this.#asking = null));
    return this.#asking;
  }

  /** Renew the access token now; return true if it was renewed, by this or another tab. */
  refresh() {
    this.#refreshing ??= this.#refreshInTurn().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  #refreshInTurn() {
    const before = this.#renewals;
    return this.#alone(async () => {
      if (this.#renewals !== before) return true; // another tab refreshed while this one waited
      const response = await this.#ask(() => fetch(this.#url("refresh/"), this.#repeatable(this.#unsafe("POST", {}))));
      if (response?.status === 400) this.#retryKey = null; // another tab has used the answer that this one lost
      if (response?.ok) {
        this.#noteRenewal(lifeOf(await response.json()), "this tab");
        this.#tell({ type: "renewed", id: this.id, expiresAt: this.expiresAt, lifetime: this.lifetime });
      } else if (response?.status === 401) {
        this.#signedOut((await SessionError.of(response)).code);
      } else if (response) {
        this.#trouble(response);
      }
      return response?.ok ?? false;
    });
  }

  #noteRenewal(facts, by) {
    this.#renewals += 1;
    this.#retryKey = null;
    const stranger = this.user !== null && this.id !== facts.id;
    this.#set(facts);
    if (stranger) this.check();
    else this.dispatchEvent(new CustomEvent("renewed", { detail: { by } }));
  }

  #signedOut(reason) {
    const id = this.id;
    this.#forget(reason);
    if (id !== null) this.#tell({ type: "signed-out", id, reason });
  }

  #forget(reason) {
    this.#set({ state: "signed-out", reason, user: null, id: null, expiresAt: null, lifetime: null });
  }

  /** Handle a message from another tab. */
  #hear({ type, id, reason, ...facts }) {
    if (type === "signed-out") {
      if (id === this.id) this.#forget(reason); // else this tab has another session already
    } else if (type === "renewed" && id === this.id) {
      this.#noteRenewal({ id, ...facts }, "another tab");
    } else {
      this.check();
    }
  }

  #tell(message) {
    this.#channel?.postMessage(message);
  }

  /** Change the state, tell the page, and set the timer. */
  #set(facts, wait = null) {
    if (wait === null) this.#failures = 0;
    Object.assign(this, { available: wait === null }, facts);
    this.dispatchEvent(new Event("change"));
    clearTimeout(this.#timer);
    this.#timer = null;
    wait ??= this.state === "signed-in" ? this.#untilNextTask() : null;
    if (wait !== null) this.#timer = setTimeout(() => this.#tick(), wait);
  }

  /** Return the milliseconds until the renewal, which is due when a fifth of the lifetime is left, at most 30 seconds. */
  #untilRenewal() {
    return this.expiresAt - Date.now() - Math.min(30_000, this.lifetime / 5);
  }

  #untilNextTask() {
    const wait = Math.max(0, this.#untilRenewal());
    return this.#heartbeat ? Math.min(wait, this.#heartbeat) : wait;
  }

  async #tick() {
    if (document.hidden || this.state === "signed-out") return;
    if (this.state === "signed-in" && this.#untilRenewal() <= 0) await this.refresh();
    else await this.check();
  }

  /** Return the answer, or undefined if there is none. */
  async #ask(question) {
    try {
      return await question();
    } catch {
      this.#trouble();
    }
  }

  /** Handle a missing answer: wait as long as the server says, or twice as long each time, a minute at most. */
  #trouble(response) {
    const wish = Number(response?.headers.get("Retry-After")) || 0;
    const wait = Math.min(60, Math.max(wish, 2 ** this.#failures++));
    this.#set({}, wait * (1000 + 200 * Math.random())); // not all browsers at once
  }

  async #send(method, path, body, via = (url, init) => this.fetch(url, init)) {
    const response = await via(this.#url(path), method === "GET" ? {} : this.#unsafe(method, body));
    if (!response.ok) throw await SessionError.of(response);
    return response;
  }

  #unsafe(method, body) {
    const headers = { "Content-Type": "application/json", ...this.#headers() };
    return { method, headers, body: body && JSON.stringify(body), credentials: this.#credentials };
  }

  /** Add the key, which stays the same until an answer comes. Another origin might not allow the header. */
  #repeatable(init) {
    if (this.#credentials !== "same-origin" || !crypto.randomUUID) return init;
    this.#retryKey ??= crypto.randomUUID();
    return { ...init, headers: { ...init.headers, "Idempotency-Key": this.#retryKey } };
  }

  #url(path) {
    return new URL(path, this.#base);
  }

  /** Run `task` while no other tab runs one. */
  #alone(task) {
    return navigator.locks ? navigator.locks.request(this.#name, task) : task();
  }
}

/** Return the session's id and times from the answer to a sign-in or refresh. */
function lifeOf({ session, expires_in }) {
  return { id: session, expiresAt: Date.now() + expires_in * 1000, lifetime: expires_in * 1000 };
}

const STEP_UP = "insufficient_user_authentication";

/** Return whether the server refused a request because the sign-in is too old or too weak (RFC 9470). */
async function wantsSignIn(response) {
  if (response.status !== 401) return false;
  // Pages of another origin can't read the header, unless the server exposes it. Not every server has a code in the body.
  if (response.headers.get("WWW-Authenticate")?.includes(`error="${STEP_UP}"`)) return true;
  return (await SessionError.of(response.clone())).code === STEP_UP;
}

/** A refusal: `status`, the stable `code`, a `message` for people, `errors` by field, `retryAfter` in seconds or null. */
export class SessionError extends Error {
  constructor({ status, code, message, retryAfter, errors = {} }) {
    super(message);
    Object.assign(this, { name: "SessionError", status, code, retryAfter, errors });
  }

  static async of(response) {
    const body = await response.json().catch(() => ({})); // an error page of a proxy is not JSON
    return new SessionError({
      status: response.status,
      code: body.code ?? "unknown",
      message: body.detail ?? `The server answered with status ${response.status}.`,
      retryAfter: Number(response.headers.get("Retry-After")) || null,
      errors: body.errors,
    });
  }
}
