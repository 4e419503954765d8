// Write a note, and list all notes, as a client that signs its own tokens. See ../README.md for the variables.

import { readFile } from "node:fs/promises";
import { webcrypto } from "node:crypto";
import { SignJWT, importPKCS8 } from "jose";

globalThis.crypto ??= webcrypto; // Node 18

const { API, CLIENT_ID, KID, AUDIENCE, ALGORITHM, KEY_FILE } = process.env;
const NOTES = `${API}/api/client/notes/`;

const file = (await readFile(KEY_FILE, "utf8")).trim();
// The bytes of the secret's text are the key; nothing is decoded.
const key = ALGORITHM.startsWith("HS") ? new TextEncoder().encode(file) : await importPKCS8(file, ALGORITHM);

function token() {
  return new SignJWT()
    .setProtectedHeader({ alg: ALGORITHM, kid: KID, typ: "client-authentication+jwt" })
    .setIssuer(CLIENT_ID)
    .setSubject(CLIENT_ID)
    .setAudience(AUDIENCE)
    .setIssuedAt()
    .setExpirationTime("60s")
    .setJti(crypto.randomUUID()) // a request that changes something needs a token of its own
    .sign(key);
}

async function call(method, body) {
  const response = await fetch(NOTES, {
    method,
    redirect: "error", // a token must not go to another server
    headers: { Authorization: `Bearer ${await token()}`, "Content-Type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) {
    console.error(`${response.status} ${answer.code}`);
    process.exit(1);
  }
  return answer;
}

await call("POST", { text: "Written by Node" });
for (const note of await call("GET")) console.log(note.text);
