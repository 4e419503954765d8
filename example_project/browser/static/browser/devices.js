/** The list of the user's sessions, with buttons to end them. */

import { attempt, byId, element, onClick, say, written } from "./dom.js";

export class Devices {
  #session;
  #list = byId("devices");
  #error = byId("devices-error");

  constructor(session) {
    this.#session = session;
    onClick(byId("end-others"), async () => {
      await session.endOtherSessions();
      await this.load();
      byId("devices-heading").focus();
      say("All other devices are signed out.");
    });
    onClick(byId("sign-out-everywhere"), async () => {
      // The list on the page may be old. All sessions end even if their number can't be had.
      const { count } = await session.sessions().catch(() => ({}));
      await session.signOutEverywhere();
      if (count) byId("notice").textContent += count === 1 ? " 1 session has ended." : ` ${count} sessions have ended.`;
    });
  }

  load() {
    return attempt(this.#error, () => this.#show());
  }

  async #show() {
    // One page: this session first, then the newest sign-ins.
    const { results, count } = await this.#session.sessions();
    const more = count > results.length ? [element("li", { className: "hint" }, `and ${count - results.length} more`)] : [];
    this.#list.replaceChildren(...results.map((each) => this.#row(each)), ...more);
    byId("end-others").hidden = count < 2;
  }

  clear() {
    this.#list.replaceChildren();
  }

  #row({ id, label, device, user_agent, ip_address, started_at, current, shared }) {
    const kind = device === user_agent ? browserOf(user_agent) : device;
    const name = label || kind;
    const facts = [label && kind, ip_address, shared && "also used from elsewhere"].filter(Boolean).join(", ");
    const words = element(
      "div",
      { className: "row-text" },
      element("p", { className: "device" }, name, current ? element("span", { className: "tag" }, "this device") : ""),
      element("p", { className: "hint" }, `${facts} · signed in ${written(started_at)}`),
    );
    const row = element("li", {}, words);
    if (!current) this.#addButton(row, id, name);
    return row;
  }

  #addButton(row, id, name) {
    const button = element("button", { type: "button", className: "quiet", ariaLabel: `Sign out ${name}` }, "Sign out");
    row.append(button);
    onClick(button, async () => {
      await this.#session.endSession(id);
      await this.load();
      byId("devices-heading").focus();
      say(`${name} is signed out.`);
    });
  }
}

const BROWSERS = { Edge: /Edg/, Firefox: /Firefox/, Chrome: /Chrom(e|ium)/, Safari: /Safari/, curl: /^curl/ };
const SYSTEMS = { iOS: /iPhone|iPad/, Android: /Android/, Windows: /Windows/, macOS: /Mac OS X/, Linux: /Linux/ };

/** Return a name such as "Firefox on Linux", if the server has no User-Agent parser: good enough to tell devices apart. */
function browserOf(agent) {
  const [browser, system] = [BROWSERS, SYSTEMS].map(
    (known) => Object.keys(known).find((name) => known[name].test(agent)),
  );
  return [browser ?? (agent.slice(0, 40) || "Unknown browser"), system].filter(Boolean).join(" on ");
}
