//! `ops keys`: API keys.

use std::io::BufRead;

use clap::{Subcommand, ValueEnum};
use domain::api_key::{ApiKey, ApiKeyHash, Grant, Scope};
use domain::{ApiKeyId, Name, OrganizationId, Timestamp};
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Issue a key, which is shown this once
    Issue {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// What the key allows, several with commas [default: everything]
        #[arg(long, value_delimiter = ',', value_name = "SCOPES")]
        scopes: Vec<ScopeWord>,
        /// What to call it, such as the system that holds it
        #[arg(long, value_parser = Name::parse)]
        name: Option<Name>,
        /// When it stops working, such as 2027-06-30T00:00:00Z [default: never]
        #[arg(long, value_name = "TIME", value_parser = Timestamp::parse)]
        expires: Option<Timestamp>,
    },
    /// List an organization's keys with their last use, oldest first; the keys themselves are stored nowhere
    ///
    /// A use is written down at most once an hour, so a key may have been used up to 70 minutes after the time that is shown.
    List {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
    },
    /// End a key: within 60 seconds it stops working
    Revoke {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        /// The key's id; `-` reads the key itself from standard input, such as one that was found in public
        #[arg(value_name = "KEY_ID", value_parser = Which::parse)]
        key: Which,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeWord {
    /// Every GET
    Read,
    /// Buying, importing, changing and releasing numbers
    Write,
    /// Business verification: drafts and submissions
    Compliance,
}

impl From<ScopeWord> for Scope {
    fn from(word: ScopeWord) -> Self {
        match word {
            ScopeWord::Read => Self::Read,
            ScopeWord::Write => Self::Write,
            ScopeWord::Compliance => Self::Compliance,
        }
    }
}

#[derive(Clone)]
pub(crate) enum Which {
    Named(ApiKeyId),
    Typed,
}

impl Which {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text == "-" { Ok(Self::Typed) } else { ApiKeyId::parse(text).map(Self::Named) }
    }
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Issue { organization, scopes, name, expires } => {
            issue(session, organization, &scopes, name, expires).await
        }
        Command::List { organization } => {
            session.organization(&organization).await?;
            let mut rows = Vec::new();
            for key in session.table.api_keys(&organization).await? {
                let mut shown = row(&key);
                shown["lastUsedAt"] = session.table.key_used_at(&key.id).await?.map(|at| at.to_string()).into();
                rows.push(shown);
            }
            Ok(Output::table(
                &["id", "name", "scopes", "createdAt", "lastUsedAt", "expiresAt", "revokedAt"],
                "No API keys.",
                rows,
            ))
        }
        Command::Revoke { organization, key } => revoke(session, &organization, &key).await,
    }
}

async fn issue(
    session: &mut Session<'_, '_>,
    organization: OrganizationId,
    words: &[ScopeWord],
    name: Option<Name>,
    expires_at: Option<Timestamp>,
) -> Result<Output, Failure> {
    session.organization(&organization).await?;
    if let Some(past) = expires_at.filter(|end| *end <= session.now()) {
        return Err(Failure::new(format!("--expires {past} has passed: name a time that is to come.")));
    }
    if let Some(would) = session.before(&format!("issue an API key of '{organization}'"), Undo::Possible)? {
        return Ok(would);
    }
    let wanted = |scope: &Scope| words.is_empty() || words.iter().any(|word| Scope::from(*word) == *scope);
    let now = session.now();
    let grant = Grant {
        id: ApiKeyId::new(now, rand::random()),
        organization,
        name,
        scopes: Scope::ALL.into_iter().filter(wanted).collect(),
        created_at: now,
        expires_at,
        revoked_at: None,
    };
    let key = ApiKey::new(rand::random());
    session.table.create_api_key(&key.hash(), &grant, &session.actor().await?).await?;
    let mut fields = row(&grant);
    fields["apiKey"] = key.reveal().into();
    let message = format!("Issued API key {}. This is the only time it is shown:", grant.id);
    Ok(Output::changed(true, message, fields))
}

async fn revoke(session: &mut Session<'_, '_>, organization: &OrganizationId, key: &Which) -> Result<Output, Failure> {
    let unknown = || Failure::new(format!("Organization '{organization}' has no such API key."));
    let hash = match key {
        Which::Named(id) => session.table.api_key_hash(organization, id).await?,
        Which::Typed => Some(typed(&mut *session.io.input)?),
    };
    let hash = hash.ok_or_else(unknown)?;
    let grant = session.table.api_key(&hash).await?.filter(|grant| grant.organization == *organization);
    let grant = grant.ok_or_else(unknown)?;
    let id = grant.id.clone();
    if grant.revoked_at.is_none() {
        let deed = format!("end API key {id} of '{organization}'");
        if let Some(would) = session.before(&deed, Undo::Impossible)? {
            return Ok(would);
        }
    }
    let now = session.now();
    let revoked_at = session.table.revoke_api_key(&hash, now, &session.actor().await?).await?;
    let fields = row(&Grant { revoked_at: Some(revoked_at), ..grant });
    if revoked_at == now {
        Ok(Output::changed(true, format!("API key {id} is revoked; it stops working within 60 seconds."), fields))
    } else {
        Ok(Output::changed(false, format!("API key {id} was revoked on {revoked_at} already."), fields))
    }
}

fn typed(input: &mut dyn BufRead) -> Result<ApiKeyHash, Failure> {
    let mut line = String::new();
    input.read_line(&mut line).map_err(|error| Failure::new(format!("There is no key to read: {error}.")))?;
    let key = ApiKey::parse(line.trim());
    key.map(|key| key.hash())
        .ok_or_else(|| Failure::new("What was read is not an API key: its form or checksum is wrong."))
}

fn row(grant: &Grant) -> Value {
    json!({
        "id": grant.id.as_str(),
        "organizationId": grant.organization.as_str(),
        "name": grant.name.as_ref().map(Name::as_str),
        "scopes": grant.scopes.iter().map(|scope| scope.as_str()).collect::<Vec<_>>(),
        "createdAt": grant.created_at.to_string(),
        "expiresAt": grant.expires_at.map(|at| at.to_string()),
        "revokedAt": grant.revoked_at.map(|at| at.to_string()),
    })
}
