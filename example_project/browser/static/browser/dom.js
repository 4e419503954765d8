/** Helpers to build the page. All texts are set as text, so that no user input becomes HTML. */

export const byId = (id) => document.getElementById(id);

/** Create an element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Announce a text to screen readers. */
export function say(text) {
  byId("status").textContent = text;
}

/** Run `task` at each click. The button is inactive while the task runs, and `place` shows errors. */
export function onClick(button, place, task) {
  button.addEventListener("click", () => attempt(place, task, [button]));
}

/** Run `task` at each submission of `form`. */
export function onSubmit(form, place, task) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(place, task, [form.querySelector("[type=submit]")]);
  });
}

async function attempt(place, task, buttons) {
  place.textContent = "";
  // Not `disabled`, because a disabled button loses the keyboard focus.
  if (buttons.some((button) => button.ariaDisabled === "true")) return;
  for (const button of buttons) button.ariaDisabled = "true";
  try {
    await task();
  } catch (error) {
    place.textContent = explain(error);
  } finally {
    for (const button of buttons) button.ariaDisabled = "false";
  }
}

/** Return a text for people about a SessionError, or about a fetch() without an answer. */
function explain(error) {
  if (error instanceof TypeError) return "The server can’t be reached. Try again in a moment.";
  if (error.code === "throttled") return `Too many attempts. Try again in ${error.retryAfter ?? 60} seconds.`;
  return error.message;
}

/** Format a time for people, with the date unless it is today. */
export function written(time) {
  const [moment, today] = [new Date(time), new Date()];
  const day = moment.toDateString() === today.toDateString() ? {} : { dateStyle: "medium" };
  return new Intl.DateTimeFormat("en-GB", { ...day, timeStyle: "short" }).format(moment);
}
