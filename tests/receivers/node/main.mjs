// For each line of standard input, one delivery: whether the published package, and Node's own ed25519, verify it.
import { readFileSync } from "node:fs";
import { createPublicKey, verify } from "node:crypto";
import { Webhook } from "standardwebhooks";

function isSymmetric(secret, headers, body) {
  try {
    new Webhook(secret).verify(body, headers);
    return true;
  } catch {
    return false;
  }
}

function isAsymmetric(publicKey, headers, body) {
  if (!publicKey) return false;
  const x = Buffer.from(publicKey.slice("whpk_".length), "base64").toString("base64url");
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" });
  const signed = Buffer.concat([Buffer.from(`${headers["webhook-id"]}.${headers["webhook-timestamp"]}.`), body]);
  const given = headers["webhook-signature"].split(" ").filter((each) => each.startsWith("v1a,"));
  return given.some((each) => verify(null, signed, key, Buffer.from(each.slice("v1a,".length), "base64")));
}

for (const line of readFileSync(0, "utf8").trimEnd().split("\n")) {
  const [secret, publicKey, id, timestamp, signature, encoded] = line.split("\t");
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": signature };
  const body = Buffer.from(encoded, "base64");
  console.log(isSymmetric(secret, headers, body), isAsymmetric(publicKey, headers, body));
}
