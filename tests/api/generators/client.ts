// A client as somebody would write it: submits an event, lists its deliveries, and sends the first one again.
import createClient from "openapi-fetch";
import type { paths } from "./api.js";

declare const process: { env: Record<string, string | undefined> };

const client = createClient<paths>({
  baseUrl: process.env["API_URL"] ?? "",
  headers: { Authorization: `Bearer ${process.env["API_KEY"]}` },
});

const submitted = await client.POST("/v1/events", { body: { event: "linkedin.message.sent", data: { n: 1 } } });
if (submitted.data === undefined) throw new Error(submitted.error.detail);

const query = { eventId: submitted.data.id, status: ["pending" as const, "succeeded" as const] };
const listed = await client.GET("/v1/deliveries", { params: { query } });
const first = listed.data?.items[0];
if (first === undefined) throw new Error(listed.error?.detail ?? "no delivery");

const path = { delivery_id: first.id };
const resent = await client.POST("/v1/deliveries/{delivery_id}/resend", { params: { path } });
if (resent.data === undefined) throw new Error(resent.error.detail);

const refused = await client.POST("/v1/events", { body: { event: "linkedin.mesage.sent", data: {} } });
const wrong = refused.error?.errors?.map((one) => one.path);
console.log(JSON.stringify({ event: submitted.data.id, delivery: first.id, again: resent.data.id, wrong }));
