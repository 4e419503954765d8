// The page that shows a secret once: the button copies it, and a reload leads to the client instead of making another secret.
// Without scripts a click selects the secret (admin.css), and the button stays hidden.

const secret = document.querySelector(".jwt-auth-secret");
const button = document.querySelector(".jwt-auth-copy");

function select() {
    getSelection().selectAllChildren(secret);
}

async function copy() {
    select();
    if (navigator.clipboard) await navigator.clipboard.writeText(secret.textContent);
    else document.execCommand("copy"); // plain http has no other clipboard API
    button.textContent = button.dataset.copied;
}

button.addEventListener("click", copy);
button.hidden = false;
history.replaceState(null, "", button.dataset.client);
