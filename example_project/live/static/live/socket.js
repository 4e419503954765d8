const AUTH = "/auth/browser/"; // where your URLs include jwt_auth.browser_urls

async function post(path) {
  const answer = await fetch(AUTH + path, { method: "POST" });
  return { status: answer.status, body: answer.ok && (await answer.json()) };
}

// Resolves to a ticket, or to null if the user is signed out. Throws in an outage.
async function getTicket(isFresh = false) {
  let answer = isFresh ? { status: 401 } : await post("ticket/");
  if (answer.status === 401) {
    const refreshed = await post("refresh/");
    if (refreshed.status === 401) return null;
    answer = await post("ticket/");
  }
  if (!answer.body) throw new Error(`no ticket: ${answer.status}`);
  return answer.body.ticket;
}

export function connect(path, { onOpen, onMessage, onClose, onSignedOut }) {
  const url = location.origin.replace(/^http/, "ws") + path;
  let pause = 1000;
  let isFresh = false; // whether the next ticket needs a fresh token
  let isClosed = false; // whether your code has closed the socket
  let socket, timer;

  async function open() {
    try {
      const ticket = await getTicket(isFresh);
      if (isClosed) return;
      if (ticket === null) return onSignedOut();
      socket = new WebSocket(url, ["jwt_auth", `jwt_auth.ticket.${ticket}`]);
    } catch {
      return again({});
    }
    socket.onopen = () => {
      pause = 1000;
      isFresh = false;
      renewIn(60);
      onOpen?.();
    };
    socket.onmessage = ({ data }) => {
      const message = JSON.parse(data);
      if (message.type === "jwt_auth.renewed") renewIn(message.expires_in * 0.75);
      else if (message.type === "jwt_auth.refused" && /unavailable/.test(message.code)) renewIn(10);
      else if (message.type === "jwt_auth.refused") socket.close();
      else onMessage(message);
    };
    socket.onclose = ({ code, reason }) => {
      isFresh ||= code === 4401; // the token is no longer good
      again({ code, reason });
    };
  }

  function renewIn(seconds) {
    clearTimeout(timer);
    timer = setTimeout(renew, seconds * 1000);
  }

  // Send a new ticket through the open socket, before its token expires.
  async function renew() {
    try {
      const token = await getTicket(true);
      if (token !== null) socket.send(JSON.stringify({ type: "jwt_auth.renew", token }));
    } catch {
      renewIn(10);
    }
  }

  // All clients lose their sockets at once when a server restarts: they must not all come back at once.
  function again({ code, reason }) {
    clearTimeout(timer);
    if (isClosed) return;
    const wait = pause * (0.5 + Math.random());
    pause = Math.min(pause * 2, 60_000);
    setTimeout(open, wait);
    onClose?.({ code, reason, seconds: Math.ceil(wait / 1000) });
  }

  function close() {
    isClosed = true;
    clearTimeout(timer);
    socket?.close();
  }

  open();
  return { send: (message) => socket.send(JSON.stringify(message)), renew, close };
}
