const AUTH = "/auth/browser/"; // where your URLs include jwt_auth.browser_urls

export function follow(path, { onOpen, onItem, onEnd, onSignedOut }) {
  let pause = 1000;
  let isClosed = false; // whether your code has closed the stream
  let source;

  function open() {
    if (isClosed) return;
    source = new EventSource(path); // the browser sends the cookie
    source.onopen = () => onOpen?.();
    source.onmessage = ({ data }) => {
      pause = 1000;
      onItem(JSON.parse(data));
    };
    source.addEventListener("ended", ({ data }) => again(JSON.parse(data).code));
    source.onerror = () => {
      // After a lost connection the browser connects again by itself. After a refusal, such as 401, it does not.
      if (source.readyState === EventSource.CLOSED) again();
    };
  }

  async function refresh() {
    if (isClosed) return;
    try {
      const answer = await fetch(`${AUTH}refresh/`, { method: "POST" });
      if (answer.status === 401) return onSignedOut();
      if (!answer.ok) throw new Error(`no token: ${answer.status}`);
    } catch {
      return again(); // an outage
    }
    open();
  }

  function again(code) {
    source.close();
    if (isClosed) return;
    const wait = pause * (0.5 + Math.random()); // not all clients at once
    pause = Math.min(pause * 2, 60_000);
    setTimeout(refresh, wait);
    onEnd?.({ code, seconds: Math.ceil(wait / 1000) });
  }

  function close() {
    isClosed = true;
    source.close();
  }

  open();
  return { close };
}
