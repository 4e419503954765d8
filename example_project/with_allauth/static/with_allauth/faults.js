/** allauth's own pages say nothing if a passkey can't be made or used. This shows why. */

import { passkeyFault } from "./allauth.js";

document.addEventListener("allauth.error", ({ detail }) => {
  document.getElementById("fault").textContent = passkeyFault(detail.exception);
});
