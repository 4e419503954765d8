/** The page: users sign in with a name and a password. */

import { onSignIn, session } from "./shell.js";

onSignIn((credentials) => session.signIn(credentials));

await session.start();
