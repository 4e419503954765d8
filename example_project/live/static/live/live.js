/** The page at /live/ shows what socket.js and events.js do. Those two files are for you to copy. */

import { follow } from "./events.js";
import { connect } from "./socket.js";

const byId = (id) => document.getElementById(id);
const { auth, socket: socketUrl, events: eventsUrl } = document.body.dataset;

/** One half of the page: a line with the state, and a list of what has happened. */
class Panel {
  #state;
  #log;

  constructor(name) {
    this.#state = byId(`${name}-state`);
    this.#log = byId(`${name}-log`);
  }

  show(state, text) {
    this.#state.dataset.state = state;
    this.#state.textContent = text;
    this.note(text);
  }

  note(text) {
    const item = document.createElement("li");
    item.textContent = `${new Date().toLocaleTimeString("en-GB")} ${text}`;
    this.#log.prepend(item);
    while (this.#log.childElementCount > 8) this.#log.lastElementChild.remove();
  }
}

const REASONS = {
  token_revoked: "your session has ended, because you signed out or somebody revoked it",
  token_expired: "its token has expired",
  revocation_unavailable: "it can’t check at the moment whether your session was revoked",
  unavailable: "it can’t check at the moment whether your session was revoked",
};
const because = (code) => REASONS[code] ?? `its token is no longer good${code ? ` (${code})` : ""}`;

function signedOut(panel) {
  panel.show("ended", "You are signed out, so this has stopped. Sign in to go on.");
  for (const id of ["ways", "sign-out"]) byId(id).hidden = true;
  byId("sign-in").hidden = false;
}

function closed(code, reason, seconds) {
  if (code === 4401) return `The server closed the socket with 4401: ${because(reason)}. The page asks for a fresh token.`;
  if (code === 4503) return `The server closed the socket with 4503: ${because(reason)}. The page tries again in ${seconds} s.`;
  return `There is no connection. The page tries again in ${seconds} s.`;
}

function start() {
  const [sockets, events] = [new Panel("socket"), new Panel("events")];

  const socket = connect(socketUrl, {
    onOpen() {
      sockets.show("open", "Open. What you write comes back from the server.");
      setActive(true);
    },
    onMessage: ({ from, text }) => sockets.note(`${from}: ${text}`),
    onClose({ code, reason, seconds }) {
      sockets.show("waiting", closed(code, reason, seconds));
      setActive(false);
    },
    onSignedOut: () => signedOut(sockets),
  });

  follow(eventsUrl, {
    onOpen: () => events.show("open", "Open. The server sends its time each second."),
    onItem: ({ time }) => events.note(`the server’s time is ${time}`),
    onEnd({ code, seconds }) {
      const text = code ? `The server ended the stream: ${because(code)}.` : "The server refused the stream, or can’t be reached.";
      events.show("waiting", `${text} The page asks for a fresh token in ${seconds} s.`);
    },
    onSignedOut: () => signedOut(events),
  });

  byId("say").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = byId("text");
    if (!event.submitter.disabled && field.value.trim()) socket.send({ text: field.value.trim() });
    field.value = "";
    field.focus();
  });
  byId("renew").addEventListener("click", async () => {
    await socket.renew();
    sockets.note("a new ticket was sent through the open socket");
  });
  byId("sign-out").addEventListener("click", () => fetch(`${auth}logout/`, { method: "POST" }));
}

function setActive(isActive) {
  for (const id of ["send", "renew"]) byId(id).disabled = !isActive;
}

if (byId("live")) start();
