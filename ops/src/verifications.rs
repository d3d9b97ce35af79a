//! `ops verifications`: business verifications and staff's decisions.

use clap::{Args, Subcommand};
use domain::kyb::{Decision, Field, Notification, RegistrationId, RejectionIssue, Review, Status, Submission};
use domain::{Error, KybId, OrganizationId, Prose};
use runtime::message::SubmissionHandle;
use serde_json::{Map, Value, json};

use crate::failure::Failure;
use crate::output::Output;
use crate::session::{Session, Undo};

#[derive(Subcommand)]
pub(crate) enum Command {
    /// List what waits for a decision, across organizations, the longest waiting first
    Queue {
        /// At most this many
        #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: u16,
    },
    /// Show a submission: the current one, or an earlier one by its id
    Show {
        #[arg(value_parser = OrganizationId::parse)]
        organization: OrganizationId,
        #[arg(value_name = "ID", value_parser = KybId::parse)]
        id: Option<KybId>,
        /// Show the registration id (EIN) whole
        #[arg(long)]
        reveal: bool,
    },
    /// Approve a submission that is under review; it lifts the organization's hold
    Approve(Which),
    /// Reject a submission that is under review; it holds the organization until a later one is approved
    Reject {
        #[command(flatten)]
        which: Which,
        /// What the customer reads
        #[arg(long, value_parser = Prose::parse)]
        reason: Prose,
        /// What is wrong with one field, such as businessProfile.website=Not found; may be repeated
        #[arg(long = "field", value_name = "PATH=MESSAGE", value_parser = issue)]
        fields: Vec<RejectionIssue>,
    },
    /// Take an approval back; it holds the organization until a later submission is approved
    Revoke {
        #[command(flatten)]
        which: Which,
        /// What the customer reads
        #[arg(long, value_parser = Prose::parse)]
        reason: Prose,
    },
    /// Have a submission that is under review announced in Slack once more
    Resend(Which),
}

/// One submission.
#[derive(Args)]
pub(crate) struct Which {
    #[arg(value_parser = OrganizationId::parse)]
    organization: OrganizationId,
    /// The submission's id, so that what is decided is what was read
    #[arg(value_name = "ID", value_parser = KybId::parse)]
    id: KybId,
}

impl Which {
    fn unknown(&self) -> Failure {
        Failure::new(format!("Organization '{}' has no verification {}.", self.organization, self.id))
    }
}

pub(crate) async fn run(command: Command, session: &mut Session<'_, '_>) -> Result<Output, Failure> {
    match command {
        Command::Queue { limit } => {
            let waiting = session.table.review_queue(usize::from(limit)).await?;
            let columns = &["organizationId", "id", "businessName", "submittedAt", "announced"];
            Ok(Output::table(columns, "Nothing waits for a decision.", waiting.iter().map(row).collect()))
        }
        Command::Show { organization, id, reveal } => show(session, &organization, id.as_ref(), reveal).await,
        Command::Approve(which) => decide(session, &which, Decision::Approve, "approve", Undo::Possible).await,
        Command::Reject { which, reason, fields } => {
            let decision = Decision::Reject { reason, issues: fields };
            decide(session, &which, decision, "reject", Undo::Impossible).await
        }
        Command::Revoke { which, reason } => {
            let decision = Decision::Revoke { reason };
            decide(session, &which, decision, "revoke the approval of", Undo::Impossible).await
        }
        Command::Resend(which) => resend(session, &which).await,
    }
}

async fn show(
    session: &mut Session<'_, '_>,
    organization: &OrganizationId,
    id: Option<&KybId>,
    reveal: bool,
) -> Result<Output, Failure> {
    session.organization(organization).await?;
    let found = match id {
        Some(id) => session.table.submission(organization, id).await?,
        None => session.table.verification(organization).await?.current,
    };
    let none = || Failure::new(format!("Organization '{organization}' has no such verification."));
    let submission = found.ok_or_else(none)?;
    let mut shown = row(&submission);
    for (field, value) in submission.filing.answers() {
        let whole = reveal || field != Field::RegistrationId || value.is_empty();
        shown[field.path()] = if whole { value.to_owned() } else { RegistrationId::mask(value) }.into();
    }
    Ok(Output::thing(shown))
}

async fn decide(
    session: &mut Session<'_, '_>,
    which: &Which,
    decision: Decision,
    verb: &str,
    undo: Undo,
) -> Result<Output, Failure> {
    let Which { organization, id } = which;
    let before = session.table.submission(organization, id).await?.ok_or_else(|| which.unknown())?;
    let name = before.filing.business_name();
    let deed = format!("{verb} verification {id} of '{organization}' ({name})");
    if let Some(would) = session.before(&deed, undo)? {
        return Ok(would);
    }
    let review = Review { at: session.now(), reviewer_id: session.operator().await?, reviewer_email: None };
    let decided = session.table.decide(organization, id, &decision, &review, &session.actor().await?).await;
    let decided = match decided {
        Ok(decided) => decided,
        Err(Error::KybNotUnderReview(_) | Error::KybNotApproved(_)) => return Err(too_late(session, which).await?),
        Err(error) => return Err(error.into()),
    };
    let mut fields = row(&decided);
    let told = edit_message(session, &decided, Edit::Decided).await;
    fields["slackMessage"] = told.as_ref().map_or_else(ToString::to_string, |word| (*word).to_owned()).into();
    let message = format!("Verification {id} of '{organization}' is {}.", decided.status().as_str());
    Ok(Output::changed(true, message, fields))
}

/// Says who was first. The message in Slack is made to say it too, in case that had failed then.
async fn too_late(session: &Session<'_, '_>, which: &Which) -> Result<Failure, Failure> {
    let Which { organization, id } = which;
    let now = session.table.submission(organization, id).await?.ok_or_else(|| which.unknown())?;
    let status = now.status().as_str();
    let Some(review) = now.review() else {
        return Ok(Failure::new(format!(
            "Verification {id} of '{organization}' is {status}: there is nothing to decide."
        )));
    };
    // What counts is the sentence; the message follows at the next try.
    let _ = edit_message(session, &now, Edit::Decided).await;
    let Review { at, reviewer_id, .. } = review;
    Ok(Failure::new(format!("Verification {id} of '{organization}' is {status}, decided by {reviewer_id} on {at}.")))
}

/// What becomes of the message that was posted in Slack.
#[derive(Clone, Copy)]
pub(crate) enum Edit {
    /// It says what was decided.
    Decided,
    /// It loses its buttons, because a newer message has them.
    Replaced,
}

/// Edits the message in Slack. A decision or an announcement stands whatever becomes of it.
pub(crate) async fn edit_message(
    session: &Session<'_, '_>,
    known: &Submission,
    edit: Edit,
) -> Result<&'static str, Failure> {
    let Some(place) = &known.delivery else { return Ok("never posted") };
    let case = session.table.case(&known.organization, &known.id).await?;
    let case = case.ok_or_else(|| Failure::new("not rewritten: the verification is gone"))?;
    let slack = session.connection.slack()?;
    let (edited, word) = match edit {
        Edit::Decided => (slack.rewrite(place, &case).await, "rewritten"),
        Edit::Replaced => (slack.retire(place, &case).await, "without buttons"),
    };
    edited.map(|()| word).map_err(|error| Failure::new(format!("not rewritten: {error}")))
}

async fn resend(session: &mut Session<'_, '_>, which: &Which) -> Result<Output, Failure> {
    let Which { organization, id } = which;
    let queue = session.connection.queue()?;
    let before = session.table.submission(organization, id).await?.ok_or_else(|| which.unknown())?;
    if before.status() != Status::Submitted {
        return Err(Error::KybNotUnderReview(before.status().as_str()).into());
    }
    let deed = format!("announce verification {id} of '{organization}' in Slack once more");
    if let Some(would) = session.before(&deed, Undo::Possible)? {
        return Ok(would);
    }
    session.table.announce_again(organization, id, session.now()).await?;
    let earlier = edit_message(session, &before, Edit::Replaced).await;
    let earlier = earlier.as_ref().map_or_else(ToString::to_string, |word| (*word).to_owned());
    let sent = queue.send(&SubmissionHandle::of(&before)).await;
    let Ok(job) = sent else {
        let message = "The queue takes no message now; the reconciler brings it up within minutes.";
        return Ok(Output::changed(true, message, json!({ "queued": false, "earlierMessage": earlier })));
    };
    session.table.record_notification(&before, &Notification::Queued { job }).await?;
    let message = format!("Verification {id} of '{organization}' is queued for Slack again.");
    Ok(Output::changed(true, message, json!({ "queued": true, "earlierMessage": earlier })))
}

fn row(submission: &Submission) -> Value {
    let text = |text: Option<String>| text.map_or(Value::Null, Value::String);
    let issue = |issue: &RejectionIssue| format!("{}: {}", issue.path, issue.message);
    let review = submission.review();
    let fields = [
        ("organizationId", submission.organization.to_string().into()),
        ("id", submission.id.to_string().into()),
        ("status", submission.status().as_str().into()),
        ("businessName", submission.filing.business_name().to_string().into()),
        ("submittedAt", text(submission.filed().map(|filed| filed.at.to_string()))),
        ("submittedByApiKeyId", text(submission.filed().map(|filed| filed.by.api_key.to_string()))),
        ("announced", submission.delivery.is_some().into()),
        ("reviewedAt", text(review.map(|review| review.at.to_string()))),
        ("reviewerUserId", text(review.map(|review| review.reviewer_id.clone()))),
        ("rejectionReason", text(submission.reason().map(Prose::to_string))),
        ("rejectionIssues", submission.rejection_issues().iter().map(issue).collect::<Vec<_>>().into()),
        ("previousId", text(submission.previous.as_ref().map(KybId::to_string))),
    ];
    fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect::<Map<_, _>>().into()
}

fn issue(text: &str) -> Result<RejectionIssue, &'static str> {
    let (path, message) = text.split_once('=').ok_or("must be a field's path, '=' and what is wrong with it")?;
    RejectionIssue::parse(path, message)
}
