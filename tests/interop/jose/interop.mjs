// Verifies the tokens on standard input by the JWK Set beside them alone, and makes tokens with keys of its own.

import { webcrypto } from "node:crypto";
import { SignJWT, createLocalJWKSet, exportJWK, generateKeyPair, jwtVerify } from "jose";

globalThis.crypto ??= webcrypto; // Node 18

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { jwks, tokens, algorithms, issuer, audience, subject } = JSON.parse(Buffer.concat(chunks));

const verified = [];
for (const token of tokens) {
  const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), { issuer, audience, typ: "at+jwt" });
  verified.push(payload.sub);
}

const made = [];
for (const algorithm of algorithms) {
  const { publicKey, privateKey } = await generateKeyPair(algorithm, { extractable: true });
  const token = await new SignJWT({ client_id: "app", scope: "read write" })
    .setProtectedHeader({ alg: algorithm, kid: algorithm, typ: "at+jwt" })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject(subject)
    .setJti(crypto.randomUUID())
    .setIssuedAt()
    .setExpirationTime("120s")
    .sign(privateKey);
  made.push({ jwk: { ...(await exportJWK(publicKey)), kid: algorithm, alg: algorithm, use: "sig" }, token });
}

console.log(JSON.stringify({ verified, made }));
