import { createHmac, timingSafeEqual } from "node:crypto";

const same = (a, b) => a.length === b.length && timingSafeEqual(a, b);

export function isGenuine(secret, body, signature = "") {
  const expected = createHmac("sha256", secret).update(body).digest("hex");
  return same(Buffer.from(expected), Buffer.from(signature));
}

export function isGenuineAndFresh(secret, body, headers) {
  const { "webhook-id": id, "webhook-timestamp": time, "webhook-signature": signatures = "" } = headers;
  const key = Buffer.from(secret.replace("whsec_", ""), "base64");
  const signed = createHmac("sha256", key).update(`${id}.${time}.`).update(body).digest("base64");
  const fresh = Math.abs(Date.now() / 1000 - Number(time)) <= 300;
  return fresh && signatures.split(" ").some((one) => same(Buffer.from(`v1,${signed}`), Buffer.from(one)));
}
