//! The organizations that a local run begins with.

use std::io;
use std::path::Path;

use domain::api_key::{ApiKey, Grant, Scope};
use domain::audit::Actor;
use domain::credits::LedgerEntry;
use domain::kyb::{Attestation, Brand, Decision, Declaration, Filing, Review, Submission, SubmittedBy};
use domain::organization::Organization;
use domain::sip_connection::SipConnection;
use domain::{
    AgentId, ApiKeyId, BookingReference, KybId, MicroUsd, Name, OrganizationId, Prose, Randomness, Recorded,
    SipConnectionId, SystemRandomness, Timestamp,
};
use serde::{Deserialize, Serialize};
use table::Table;

/// Whom the audit trail names for what is seeded.
const SEED: Actor = Actor::System("seed");

/// What a newcomer needs to know of a seeded organization.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Seed {
    pub name: String,
    pub id: String,
    /// Shown because these organizations exist on this machine only.
    pub api_key: String,
    pub agent_ids: Vec<String>,
    pub sip_connection_installation_ids: Vec<String>,
}

/// What an organization starts with.
#[derive(Clone, Debug, Default)]
pub struct World {
    pub approved: bool,
    pub credits: MicroUsd,
    pub agents: Vec<&'static str>,
    /// Connections, each with whether it is connected.
    pub connections: Vec<(&'static str, bool)>,
    pub brand: Option<Brand>,
}

fn worlds() -> [(&'static str, World); 3] {
    let new = World { brand: Some(brand()), ..World::default() };
    let verified = World {
        approved: true,
        credits: MicroUsd::from_micros(100_000_000),
        agents: vec!["agent_reception", "agent_sales"],
        connections: vec![("sip_connected", true), ("sip_disconnected", false)],
        brand: None,
    };
    let broke = World { approved: true, ..World::default() };
    [("new", new), ("verified", verified), ("broke", broke)]
}

/// Makes the three organizations, or completes them where an earlier start was stopped. Keys are drawn once and kept
/// in `file`, because the table holds only their hashes.
///
/// # Errors
/// The file or the table cannot be read or written.
pub async fn seed(table: &Table, file: &Path, now: Timestamp) -> io::Result<Vec<Seed>> {
    let seeds = match std::fs::read(file) {
        Ok(text) => serde_json::from_slice(&text)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => draw(file)?,
        Err(error) => return Err(error),
    };
    for (seed, (_, world)) in seeds.iter().zip(worlds()) {
        plant(table, seed, &world, now, &SystemRandomness).await.map_err(io::Error::other)?;
    }
    Ok(seeds)
}

fn draw(file: &Path) -> io::Result<Vec<Seed>> {
    let seed = |(name, world): &(&str, World)| Seed {
        name: (*name).to_owned(),
        id: format!("org_{name}"),
        api_key: ApiKey::new(rand::random()).reveal().to_owned(),
        agent_ids: world.agents.iter().map(ToString::to_string).collect(),
        sip_connection_installation_ids: world.connections.iter().map(|(id, _)| (*id).to_owned()).collect(),
    };
    let seeds: Vec<_> = worlds().iter().map(seed).collect();
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut new = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer_pretty(&mut new, &seeds)?;
    new.persist(file)?;
    Ok(seeds)
}

/// Puts one organization into the table. Every step may be repeated.
///
/// # Errors
/// The table does not answer, or `seed` holds malformed ids.
pub async fn plant(
    table: &Table,
    seed: &Seed,
    world: &World,
    now: Timestamp,
    randomness: &dyn Randomness,
) -> domain::Result<()> {
    let internal = |reason: &'static str| domain::Error::internal(reason);
    let id = OrganizationId::parse(&seed.id).map_err(internal)?;
    let key = ApiKey::parse(&seed.api_key).ok_or("malformed API key").map_err(internal)?;
    if table.api_key(&key.hash()).await?.is_some() {
        return Ok(());
    }
    if table.organization(&id).await.is_err() {
        let organization = Organization {
            id: id.clone(),
            name: seed.name.clone(),
            buying_enabled: true,
            purchase_policy: None,
            hold: None,
            verification: None,
            created_at: now,
            cursor_key: secret(randomness),
        };
        table.create_organization(&organization).await?;
    }
    for agent in &world.agents {
        table.register_agent(&id, &AgentId::parse(agent).map_err(internal)?).await?;
    }
    for (connection, connected) in &world.connections {
        let connection = SipConnection {
            id: SipConnectionId::parse(connection).map_err(internal)?,
            provider_name: Name::parse("Example Trunks").map_err(internal)?,
            connected: *connected,
        };
        table.register_sip_connection(&id, &connection).await?;
    }
    if let Some(brand) = &world.brand {
        table.set_brand(&id, brand).await?;
    }
    if world.credits > MicroUsd::ZERO {
        let reference = BookingReference::parse("seed").map_err(internal)?;
        let entry = LedgerEntry::grant(reference.as_str(), world.credits);
        table.book_once(&id, &reference, &entry, SEED.id()).await?;
    }
    let key_id = ApiKeyId::new(now, randomness.draw());
    if world.approved {
        let filing = Filing::Short(Declaration {
            business_name: Name::parse("Example Voice Inc").map_err(internal)?,
            use_case: Prose::parse("Appointment reminders").map_err(internal)?,
        });
        let by = SubmittedBy { api_key: key_id.clone(), user_id: None, email: None };
        let review = Review { at: now, reviewer_id: "seed".to_owned(), reviewer_email: None };
        let submitted =
            Submission::submit(None, &id, KybId::new(now, randomness.draw()), filing, by, Attestation::current(), now)?;
        let (approved, _) = submitted.decide(&Decision::Approve, review)?;
        table.replace_submission(None, &Recorded::filed(None, approved, &SEED), None).await?;
    }
    // Last, because it tells that all the rest is there.
    let grant = Grant {
        id: key_id,
        organization: id,
        name: None,
        scopes: Scope::ALL.to_vec(),
        created_at: now,
        expires_at: None,
        revoked_at: None,
    };
    table.create_api_key(&key.hash(), &grant, &SEED).await
}

/// What an API key or a cursor's key is made of: 32 random bytes.
#[must_use]
pub fn secret(randomness: &dyn Randomness) -> [u8; 32] {
    let mut bytes = [0; 32];
    for half in bytes.chunks_exact_mut(16) {
        half.copy_from_slice(&randomness.draw().to_be_bytes());
    }
    bytes
}

/// An SMS brand, so that the overview of the organization without a verification shows a prefill.
fn brand() -> Brand {
    let text = |text: &str| text.to_owned();
    Brand {
        company_name: text("Fresh Start LLC"),
        display_name: text("Fresh Start"),
        entity_type: text("PRIVATE_PROFIT"),
        ein: text("12-3456789"),
        website: text("https://fresh.example.com"),
        street: text("1 Main St"),
        city: text("Springfield"),
        state: text("IL"),
        postal_code: text("62701"),
        country: text("US"),
        first_name: text("Ada"),
        last_name: text("Park"),
        email: text("ada@fresh.example.com"),
        phone: String::new(),
    }
}
