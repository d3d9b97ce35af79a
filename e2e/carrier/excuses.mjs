// Where the carrier itself departs from its description, and the sandbox follows the carrier.

/** Why null passes for some fields whose type is a string, and which. A field that needs it no more fails the check. */
export const NULLS = {
  why: "the carrier answers null for what an order or a deleted number lacks, where the description says string",
  fields: [
    "billing_group_id",
    "bundle_id",
    "connection_id",
    "connection_name",
    "emergency_address_id",
    "external_pin",
    "messaging_profile_id",
    "messaging_profile_name",
  ],
};

/** The field for whose sake a violation is excused; `undefined` when it is not. */
export function excusedField({ location, code }, { answer }) {
  const [side, part, ...path] = location;
  if (side !== "response" || part !== "body" || code !== "type") return undefined;
  const field = path.at(-1);
  const value = path.reduce((place, name) => place?.[name], answer.body);
  return NULLS.fields.includes(field) && value === null ? field : undefined;
}
