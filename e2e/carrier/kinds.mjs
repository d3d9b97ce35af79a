// Every kind of request that the service sends to the carrier: what it is for, its operation, and the parameters of its
// query or the fields of its body.

const SEARCH = ["filter[country_code]", "filter[phone_number_type]", "filter[features][]", "filter[limit]"];
const CODE = "filter[national_destination_code]";
const ORDER = ["phone_numbers", "customer_reference"];

export const KINDS = [
  ["search anywhere", "GET /available_phone_numbers", SEARCH],
  ["search in an area code", "GET /available_phone_numbers", [...SEARCH, CODE]],
  ["search in a city", "GET /available_phone_numbers", [...SEARCH, "filter[locality]"]],
  ["search in both", "GET /available_phone_numbers", [...SEARCH, CODE, "filter[locality]"]],
  ["search one number", "GET /available_phone_numbers", [...SEARCH, CODE, "filter[phone_number][ends_with]"]],
  ["order", "POST /number_orders", ORDER],
  ["order for a connection", "POST /number_orders", [...ORDER, "connection_id"]],
  ["orders under a reference", "GET /number_orders", ["filter[customer_reference]"]],
  ["one order", "GET /number_orders/{number_order_id}", []],
  ["number under a reference", "GET /phone_numbers", ["filter[phone_number]", "filter[customer_reference]"]],
  ["page of all numbers", "GET /phone_numbers", ["page[number]", "page[size]", "sort"]],
  ["numbers of this deployment", "GET /phone_numbers", ["filter[tag]"]],
  ["one number", "GET /phone_numbers/{id}", []],
  ["tag a number", "PATCH /phone_numbers/{id}", ["tags"]],
  ["tag and route a number", "PATCH /phone_numbers/{id}", ["tags", "connection_id"]],
  ["release a number", "DELETE /phone_numbers/{id}", []],
].map(([what, operation, names]) => ({ what, operation, names: [...names].sort() }));

/** The kind of a request. */
export function kindOf({ operation, names }) {
  const sorted = [...names].sort();
  return KINDS.find((kind) => kind.operation === operation && JSON.stringify(kind.names) === JSON.stringify(sorted));
}
