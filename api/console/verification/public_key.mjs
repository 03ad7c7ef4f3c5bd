import { createPublicKey, verify } from "node:crypto";

// publicKeys: the one in use, during a rotation both; body: a Buffer; headers: request.headers
export function isGenuine(publicKeys, body, headers) {
  const { "webhook-id": id, "webhook-timestamp": sentAt, "webhook-signature": given = "" } = headers;
  if (!(Math.abs(Date.now() / 1000 - Number(sentAt)) <= 300)) return false;
  const signed = Buffer.concat([Buffer.from(`${id}.${sentAt}.`), body]);
  const signatures = given.split(" ").filter((each) => each.startsWith("v1a,"));
  return publicKeys.some((key) => signatures.some((each) => isSigned(key, each.slice("v1a,".length), signed)));
}

function isSigned(publicKey, signature, signed) {
  const x = Buffer.from(publicKey.slice("whpk_".length), "base64").toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  return verify(null, signed, key, Buffer.from(signature, "base64"));
}
