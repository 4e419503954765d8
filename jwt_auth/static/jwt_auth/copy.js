// The page that shows a secret once: its button copies, and reloading leads to the client instead of making another secret.
// Without script the secret can be selected by a click (admin.css), and the button is not there.

const secret = document.querySelector(".jwt-auth-secret");
const button = document.querySelector(".jwt-auth-copy");

function select() {
    getSelection().selectAllChildren(secret);
}

async function copy() {
    select();
    if (navigator.clipboard) await navigator.clipboard.writeText(secret.textContent);
    else document.execCommand("copy"); // on plain http there is no clipboard but this
    button.textContent = button.dataset.copied;
}

button.addEventListener("click", copy);
button.hidden = false;
history.replaceState(null, "", button.dataset.client);
