import { createHmac, timingSafeEqual } from "node:crypto";

// secrets: the one in use, during a rotation both; body: a Buffer; headers: request.headers
export function isGenuine(secrets, body, headers) {
  return secrets.some((secret) => isSigned(secret, body, headers));
}

function isSigned(secret, body, headers) {
  if (!secret.startsWith("whsec_")) {
    const expected = createHmac("sha256", secret).update(body).digest("hex");
    return same(expected, headers["x-kakiyo-signature"]);
  }
  const { "webhook-id": id, "webhook-timestamp": sentAt, "webhook-signature": given = "" } = headers;
  const isFresh = Math.abs(Date.now() / 1000 - Number(sentAt)) <= 300;
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const expected = createHmac("sha256", key).update(`${id}.${sentAt}.`).update(body).digest("base64");
  return isFresh && given.split(" ").some((each) => same(`v1,${expected}`, each));
}

function same(expected, given = "") {
  const [a, b] = [Buffer.from(expected), Buffer.from(given)];
  return a.length === b.length && timingSafeEqual(a, b);
}
