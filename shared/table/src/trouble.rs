//! Contention is not the caller's error, and a lost answer is nobody's: both are tried again, with jitter, a few times.
//!
//! The SDK's own retries are off. It does not know conflicts, and two layers that retry multiply.
//!
//! What is sent again here is one call, unchanged. A call whose condition did not hold is no trouble: what it says is
//! decided anew one level above, in [`crate::optimistic`].

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use domain::Error;

/// How often a contended call is tried again.
pub(crate) const RETRIES: u32 = 5;
/// How often a call is tried again that got no answer, each of which may cost its whole time-out.
const RETRIES_WITHOUT_ANSWER: u32 = 2;

/// What another try may cure: somebody else was writing, or the table was being spared.
const CONTENTION: [&str; 6] = [
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
];

/// Why a call did not do what it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    Contention,
    /// It may have been carried out.
    NoAnswer,
    /// Our own mistake: a permission, a name, an expression.
    Fault,
}

impl Trouble {
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Self {
        match error {
            SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => Self::NoAnswer,
            _ if error.code().is_some_and(|code| CONTENTION.contains(&code)) => Self::Contention,
            SdkError::ServiceError(context) if context.raw().status().is_server_error() => Self::NoAnswer,
            _ => Self::Fault,
        }
    }
}

/// How often one call may still be tried. Contention and lost answers are counted apart, so that neither uses up what
/// the other needs.
pub(crate) struct Patience {
    contention: u32,
    no_answer: u32,
}

impl Patience {
    pub(crate) const fn new() -> Self {
        Self { contention: 0, no_answer: 0 }
    }

    /// Waits before another try, if there is to be one.
    pub(crate) async fn allows(&mut self, trouble: Trouble) -> bool {
        let (spent, most) = match trouble {
            Trouble::Contention => (&mut self.contention, RETRIES),
            Trouble::NoAnswer => (&mut self.no_answer, RETRIES_WITHOUT_ANSWER),
            Trouble::Fault => return false,
        };
        if *spent >= most {
            return false;
        }
        back_off(*spent).await;
        *spent += 1;
        true
    }
}

/// Waits a random while before try number `tries` (from 0): at most 25 ms, doubling each time.
pub(crate) async fn back_off(tries: u32) {
    let most = 25 << tries.min(RETRIES);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(0..=most))).await;
}

/// Makes one call, and again while that may help. It is boxed, because the SDK's futures are several KiB.
pub(crate) async fn retrying<T, E, F>(mut call: impl FnMut() -> F) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut patience = Patience::new();
    loop {
        let answer = Box::pin(call()).await;
        match &answer {
            Err(error) if patience.allows(Trouble::of(error)).await => {}
            _ => return answer,
        }
    }
}

/// The table cannot be asked right now, or we ask it wrongly. The cause is its code and what lies under it, because an
/// `SdkError` alone says "service error", and its `Debug` would spell out the answer's body.
#[expect(clippy::needless_pass_by_value, reason = "it stands where errors are mapped")]
pub(crate) fn busy_or_fault<E>(error: SdkError<E>) -> Error
where
    E: std::error::Error + ProvideErrorMetadata + 'static,
{
    let trouble = Trouble::of(&error);
    let code = error.code().unwrap_or("no code").to_owned();
    let under = std::error::Error::source(&error).map(domain::chain).unwrap_or_default();
    let cause = format!("DynamoDB: {code}: {under}").into();
    match trouble {
        Trouble::Contention | Trouble::NoAnswer => Error::Busy(cause),
        Trouble::Fault => Error::Internal(cause),
    }
}
