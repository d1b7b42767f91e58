/**
 * Roles, and the one table of who may use which route (spec 09).
 *
 * In: nothing. Out: `ROLES`, `ROUTE_ACCESS`. A route that has no entry does not register (server.ts), an entry without a
 * route fails a test. Roles are a set, none contains another. Not here: fine rules about single objects (use cases).
 */
export const ROLES = ["reader", "submitter", "author", "operator", "approver", "admin", "platform"] as const;
export type Role = (typeof ROLES)[number];
