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

/** Run `task` at each click. The button is inactive while the task runs; errors appear behind it. */
export function onClick(button, task) {
  const place = placeBehind(button);
  button.addEventListener("click", () => press(button, place, task));
}

/** Run `task` at each submission of `form`; errors appear behind its button. */
export function onSubmit(form, task) {
  const button = form.querySelector("[type=submit]");
  const place = placeBehind(button);
  place.id = `${form.id}-error`; // for aria-describedby
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    press(button, place, task);
  });
}

/** Run `task`, and show its error at `place`. */
export async function attempt(place, task) {
  place.textContent = "";
  try {
    await task();
  } catch (error) {
    place.textContent = explain(error);
    return false;
  }
  return true;
}

/** Remove all errors, as when another user signs in. */
export function clearErrors() {
  for (const place of document.querySelectorAll(".error")) place.textContent = "";
}

async function press(button, place, task) {
  // Not `disabled`, because a disabled button loses the keyboard focus.
  if (button.ariaDisabled === "true") return;
  button.ariaDisabled = "true";
  // An error must be visible without scrolling, as on a phone.
  if (!(await attempt(place, task))) place.scrollIntoView({ block: "nearest" });
  button.ariaDisabled = "false";
}

function placeBehind(button) {
  const place = element("p", { className: "error", role: "alert" });
  button.after(place);
  return place;
}

/** Return a text for people about a SessionError, or about a fetch() without an answer. */
function explain(error) {
  if (error instanceof TypeError) return "The server can’t be reached. Try again in a moment.";
  if (error.code === "throttled") return `Too many attempts. Try again in ${error.retryAfter ?? 60} seconds.`;
  return Object.values(error.errors ?? {}).flat().join(" ") || error.message;
}

/** Format a time for people, with the date unless it is today. */
export function written(time, timeStyle = "short") {
  const [moment, today] = [new Date(time), new Date()];
  const day = moment.toDateString() === today.toDateString() ? {} : { dateStyle: "medium" };
  return new Intl.DateTimeFormat("en-GB", { ...day, timeStyle }).format(moment);
}
