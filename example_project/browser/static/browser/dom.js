/** The little that the page needs to build itself. Text is set as text: nothing that somebody wrote becomes HTML. */

export const byId = (id) => document.getElementById(id);

/** An element with properties and children. */
export function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Say something to those who don't see the page. */
export function say(text) {
  byId("status").textContent = text;
}

/** Run `task` at each click; the button can't be pressed twice meanwhile, and `place` shows what went wrong. */
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
  // Not `disabled`, which would throw the keyboard's focus away.
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

/** A text for people about a SessionError, or about fetch() that got no answer. */
function explain(error) {
  if (error instanceof TypeError) return "The server can’t be reached. Try again in a moment.";
  if (error.code === "throttled") return `Too many attempts. Try again in ${error.retryAfter ?? 60} seconds.`;
  return error.message;
}

/** A moment as people write it: the time, with the day unless it is today. */
export function written(time) {
  const [moment, today] = [new Date(time), new Date()];
  const day = moment.toDateString() === today.toDateString() ? {} : { dateStyle: "medium" };
  return new Intl.DateTimeFormat("en-GB", { ...day, timeStyle: "short" }).format(moment);
}
