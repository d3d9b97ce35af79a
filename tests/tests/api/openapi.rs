//! The committed description is the one that the code gives.

#[test]
fn the_committed_description_is_up_to_date() {
    let committed = include_str!("../../../openapi.json");
    let generated = local::openapi::text().unwrap();
    assert!(committed == generated, "openapi.json is stale: run `cargo run -- --openapi > openapi.json`");
}
