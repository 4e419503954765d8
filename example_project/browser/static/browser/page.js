/** The page: a name and a password sign in. */

import { onSignIn, session } from "./shell.js";

onSignIn((credentials) => session.signIn(credentials));

await session.start();
