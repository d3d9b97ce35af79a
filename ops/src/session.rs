//! What every command works with: the table, the clock, the operator's name, and the question before a change.

use domain::audit::Actor;
use domain::organization::Organization;
use domain::{Name, OrganizationId, Timestamp};
use table::Table;
use tokio::sync::OnceCell;

use crate::Io;
use crate::connect::Connection;
use crate::failure::Failure;
use crate::options::Options;
use crate::output::Output;

/// Whether a deed can be taken back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    Possible,
    Impossible,
}

/// One run of a command: what it works on, and who runs it.
pub(crate) struct Session<'a, 'b> {
    pub(crate) connection: Connection,
    pub(crate) table: Table,
    /// Who runs the command, once that was asked.
    operator: OnceCell<String>,
    given_name: Option<String>,
    dry_run: bool,
    yes: bool,
    pub(crate) io: &'a mut Io<'b>,
}

impl<'a, 'b> Session<'a, 'b> {
    pub(crate) async fn new(options: Options, io: &'a mut Io<'b>) -> Result<Self, Failure> {
        let (given_name, dry_run, yes) = (options.operator.clone(), options.dry_run, options.yes);
        let connection = Connection::open(options).await?;
        io.clock = connection.clock(io.clock.clone()).await?;
        if given_name.is_some() && connection.is_in_aws() {
            let refusal = "In AWS, audit events hold the name by which AWS knows you: leave --as out.";
            return Err(Failure::new(refusal));
        }
        let (table, operator) = (connection.table(io.clock.clone()), OnceCell::new());
        Ok(Self { connection, table, operator, given_name, dry_run, yes, io })
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.io.clock.now()
    }

    /// The name in audit events: in AWS the caller's identity there, on the local run `--as` or the user's name.
    pub(crate) async fn operator(&self) -> Result<String, Failure> {
        let name = self.operator.get_or_try_init(|| async {
            match self.connection.identity().await? {
                Some(identity) => Ok(identity),
                None => user(self.given_name.as_deref()),
            }
        });
        name.await.cloned()
    }

    /// Whom audit events name.
    pub(crate) async fn actor(&self) -> Result<Actor, Failure> {
        self.operator().await.map(Actor::Operator)
    }

    /// Asks for leave to do something; `deed` goes on after "This would". What is answered instead of doing it comes
    /// back, when it is not to be done.
    pub(crate) fn before(&mut self, deed: &str, undo: Undo) -> Result<Option<Output>, Failure> {
        if self.dry_run {
            return Ok(Some(Output::would(deed)));
        }
        if undo == Undo::Possible || self.yes {
            return Ok(None);
        }
        if !self.io.interactive {
            let refusal = format!("This would {deed}, which cannot be undone: say --yes to have it done unasked.");
            return Err(Failure::new(refusal));
        }
        let asked = write!(self.io.errors, "This will {deed}, which cannot be undone. Go on? [y/N] ");
        asked
            .and_then(|()| self.io.errors.flush())
            .map_err(|error| Failure::new(format!("Nobody can be asked: {error}.")))?;
        let mut answer = String::new();
        self.io.input.read_line(&mut answer).map_err(|error| Failure::new(format!("There is no answer: {error}.")))?;
        match answer.trim().to_ascii_lowercase().as_str() {
            "y" | "yes" => Ok(None),
            _ => Err(Failure::new("Nothing was changed.")),
        }
    }

    /// Says how far something is while it takes its time.
    pub(crate) fn progress(&mut self, line: &str) {
        // Only a comfort: what counts is said at the end.
        let _ = writeln!(self.io.errors, "{line}");
    }

    /// An organization that exists.
    pub(crate) async fn organization(&self, id: &OrganizationId) -> Result<Organization, Failure> {
        let found = self.table.find_organization(id).await?;
        found.ok_or_else(|| Failure::new(format!("There is no organization '{id}'.")))
    }
}

fn user(given: Option<&str>) -> Result<String, Failure> {
    let name = match given {
        Some(name) => Ok(name.to_owned()),
        None => whoami::username().map_err(|error| format!("your user name cannot be found ({error})")),
    };
    let name = name.and_then(|name| Name::parse(&name).map_err(|reason| format!("your name {reason}")));
    name.map(|name| name.to_string())
        .map_err(|reason| Failure::new(format!("Say who you are with --as NAME: {reason}.")))
}
