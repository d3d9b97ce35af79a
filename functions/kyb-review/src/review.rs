//! What happens when staff approve or reject: who may, what is stored, and what the message then shows.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use clients::slack::SlackError;
use clients::slack::verification::verdict;
use domain::audit::Actor;
use domain::kyb::{Case, Decision, Delivery, Review, SlackUserId, Status};
use domain::{Error, Result, chain};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::App;
use crate::interaction::{About, Button, Click, Rejection};
use crate::modal::{self, REASON};

/// How long deciding may take, from the arrival of the call; the rest is for showing it. Slack's three seconds also
/// have to cover the way here and back.
const DECIDED_WITHIN: Duration = Duration::from_millis(1_500);
const ANSWERED_WITHIN: Duration = Duration::from_millis(2_400);

const NOT_A_REVIEWER: &str =
    "You are not among those who may decide about verifications. Ask whoever runs this app to add you.";
const NOT_SAVED: &str = "This could not be saved just now. Look at the message, and try again in a moment.";
const NOT_OPENED: &str = "The form could not be opened. Click the button again.";
const UNKNOWN: &str = "This verification does not exist any more.";
const DECIDED: &str = "This verification is decided already.";

/// Until when a call has to be decided and answered.
pub(crate) struct Deadlines {
    pub(crate) decided: Instant,
    pub(crate) answered: Instant,
}

impl Deadlines {
    pub(crate) fn from_now() -> Self {
        let now = Instant::now();
        Self { decided: now + DECIDED_WITHIN, answered: now + ANSWERED_WITHIN }
    }
}

impl App {
    /// Does what a button says. Whatever comes of it, the message then says what is so, and whoever clicked in vain is
    /// told why.
    pub(crate) async fn click(&self, click: &Click, time: &Deadlines) {
        let about = &click.about;
        if !self.may_decide(&about.user) {
            return self.tell(about, NOT_A_REVIEWER, time).await;
        }
        let done = match click.button {
            Button::Approve => self.decide(about, &Decision::Approve, time).await,
            Button::Reject => Ok(()),
        };
        let case = self.case(about, time).await;
        match (click.button, &done, &case) {
            (Button::Reject, _, Ok(Some(case))) if case.submission.status() == Status::Submitted => {
                self.ask_for_reason(click, case, time).await;
            }
            (Button::Approve, Ok(()), Ok(Some(case))) => self.show(about, case, time).await,
            (Button::Approve, Ok(()), _) => {}
            (_, _, Ok(Some(case))) => {
                let sentence = in_vain(case);
                tokio::join!(self.show(about, case, time), self.tell(about, &sentence, time));
            }
            (_, _, Ok(None)) => self.tell(about, UNKNOWN, time).await,
            (_, _, Err(_)) => self.tell(about, NOT_SAVED, time).await,
        }
    }

    /// Rejects a submission as the form says, and answers what becomes of the form.
    pub(crate) async fn reject(&self, rejection: Rejection, time: &Deadlines) -> Response {
        let Rejection { about, reason, issues } = rejection;
        if !self.may_decide(&about.user) {
            return mistake(NOT_A_REVIEWER);
        }
        let reason = match reason {
            Ok(reason) => reason,
            Err(rule) => return mistake(&format!("The reason {rule}.")),
        };
        let done = self.decide(&about, &Decision::Reject { reason, issues }, time).await;
        let case = self.case(&about, time).await;
        if let Ok(Some(case)) = &case {
            self.show(&about, case, time).await;
        }
        match (&done, case) {
            (Ok(()), _) => ().into_response(),
            (Err(Error::KybNotUnderReview(_)), Ok(Some(case))) => {
                let view = modal::notice(&in_vain(&case));
                Json(json!({"response_action": "update", "view": view})).into_response()
            }
            (Err(Error::KybNotUnderReview(_)), _) => mistake(DECIDED),
            (Err(Error::NotFound), _) => mistake(UNKNOWN),
            (Err(_), _) => mistake(NOT_SAVED),
        }
    }

    fn may_decide(&self, user: &SlackUserId) -> bool {
        self.reviewers.is_empty() || self.reviewers.contains(user)
    }

    async fn decide(&self, about: &About, decision: &Decision, time: &Deadlines) -> Result<()> {
        let About { user, organization, submission, .. } = about;
        // Slack tells the address of a user only to apps that ask for more than this one needs.
        let review = Review { at: self.clock.now(), reviewer_id: user.to_string(), reviewer_email: None };
        let actor = Actor::Reviewer { id: user.to_string(), email: None };
        let decided = Box::pin(self.table.decide(organization, submission, decision, &review, &actor));
        let decided = timeout_at(time.decided, decided).await.unwrap_or_else(|late| Err(Error::Busy(late.into())));
        match decided {
            Ok(decided) => {
                tracing::info!(
                    organization.id = %organization, kyb.submission.id = %submission,
                    kyb.status = decided.status().as_str(), slack.user.id = %user, "verification decided"
                );
                Ok(())
            }
            Err(error) => {
                // Losing to another reviewer is expected; anything else is logged.
                if !matches!(error, Error::KybNotUnderReview(_) | Error::NotFound) {
                    tracing::warn!(
                        organization.id = %organization, kyb.submission.id = %submission, error.cause = %chain(&error),
                        "a decision may not have been saved"
                    );
                }
                Err(error)
            }
        }
    }

    async fn case(&self, about: &About, time: &Deadlines) -> Result<Option<Case>> {
        let case = Box::pin(self.table.case(&about.organization, &about.submission));
        let case = timeout_at(time.answered, case).await.unwrap_or_else(|late| Err(Error::Busy(late.into())));
        if let Err(error) = &case {
            tracing::warn!(
                organization.id = %about.organization, kyb.submission.id = %about.submission, error.cause = %chain(error),
                "a submission could not be read"
            );
        }
        case
    }

    async fn ask_for_reason(&self, click: &Click, case: &Case, time: &Deadlines) {
        let about = &click.about;
        let opened = match modal::form(&case.submission, &about.place) {
            Ok(form) => within(time, self.slack.open_view(&click.trigger_id, &form)).await,
            Err(error) => Err(SlackError::Failed(error)),
        };
        if let Err(error) = opened {
            warn(about, &error, "the form for a rejection could not be opened");
            self.tell(about, NOT_OPENED, time).await;
        }
    }

    /// Makes the message that was clicked say what is so, and the one that is on record, where it is another.
    async fn show(&self, about: &About, case: &Case, time: &Deadlines) {
        let rewrite = async |place: &Delivery| {
            if let Err(error) = within(time, self.slack.rewrite(place, case)).await {
                warn(about, &error, "the message about a verification could not be rewritten; another click does it");
            }
        };
        let recorded = case.submission.delivery.as_ref().filter(|recorded| **recorded != about.place);
        tokio::join!(rewrite(&about.place), async {
            if let Some(recorded) = recorded {
                rewrite(recorded).await;
            }
        });
    }

    /// Tells whoever clicked, and nobody else.
    async fn tell(&self, about: &About, sentence: &str, time: &Deadlines) {
        let told = self.slack.post_ephemeral(&about.place.channel, about.user.as_str(), sentence);
        if let Err(error) = within(time, told).await {
            warn(about, &error, "a reviewer could not be told why a click came to nothing");
        }
    }
}

/// Why a click came to nothing, given how the submission stands now.
fn in_vain(case: &Case) -> String {
    match verdict(&case.submission) {
        Some(verdict) => format!("{DECIDED} {verdict}"),
        None => NOT_SAVED.to_owned(),
    }
}

/// Keeps the form open and says what is wrong.
fn mistake(sentence: &str) -> Response {
    Json(json!({"response_action": "errors", "errors": {REASON: sentence}})).into_response()
}

async fn within(
    time: &Deadlines,
    call: impl Future<Output = std::result::Result<(), SlackError>>,
) -> std::result::Result<(), SlackError> {
    timeout_at(time.answered, call).await.unwrap_or_else(|late| Err(SlackError::Failed(late.into())))
}

fn warn(about: &About, error: &SlackError, message: &'static str) {
    tracing::warn!(
        organization.id = %about.organization, kyb.submission.id = %about.submission, error.cause = %chain(error), "{message}"
    );
}
