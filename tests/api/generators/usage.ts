// A client as somebody would write it: it leaves out every member that is optional.
import type { components, paths } from "./api.js";

type Json<T> = T extends { content: { "application/json": infer Body } } ? Body : never;
type Sent<Path extends keyof paths> = paths[Path] extends { post: { requestBody: infer Request } } ? Json<Request> : never;
type Query<Path extends keyof paths> = paths[Path] extends { get: { parameters: { query?: infer Q } } } ? Q : never;

export const event: Sent<"/v1/events"> = { event: "linkedin.message.sent", data: {} };
export const batch: Sent<"/v1/events/batch"> = [event];
export const webhook: Sent<"/v1/webhooks"> = { name: "CRM sync", url: "https://crm.example.com", events: ["*"] };
export const rotation: Sent<"/v1/webhooks/{webhook_id}/rotate-secret"> = {};
export const test: Sent<"/v1/webhooks/test"> = { event: "linkedin.message.sent" };
export const grant: Sent<"/v1/credits/grants"> = { teamId: "team_acme", amount: 5 };
export const team: Sent<"/v1/teams"> = { name: "Acme" };
export const teamChange: components["schemas"]["TeamChange"] = {};
export const webhookChange: components["schemas"]["WebhookChange"] = { active: true };
export const deliveries: Query<"/v1/deliveries"> = {};
export const teams: Query<"/v1/teams"> = { limit: 1 };
export const headers: paths["/v1/teams"]["post"]["parameters"]["header"] = {};
