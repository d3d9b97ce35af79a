//! Contention is not the caller's error, and a lost answer is nobody's: both are tried again, with jitter, a few times.
//!
//! The SDK's own retries are off. It does not know conflicts, and two layers that retry multiply.

use std::time::Duration;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
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

/// How often a call that ended so is tried again.
pub(crate) fn retries<E: ProvideErrorMetadata>(error: &SdkError<E>) -> u32 {
    match error {
        SdkError::TimeoutError(_) | SdkError::DispatchFailure(_) | SdkError::ResponseError(_) => RETRIES_WITHOUT_ANSWER,
        _ if error.code().is_some_and(|code| CONTENTION.contains(&code)) => RETRIES,
        SdkError::ServiceError(context) if context.raw().status().is_server_error() => RETRIES_WITHOUT_ANSWER,
        _ => 0,
    }
}

/// Waits a random while before try number `tries` (from 0): at most 25 ms, doubling each time.
pub(crate) async fn back_off(tries: u32) {
    let most = 25 << tries.min(RETRIES);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most))).await;
}

/// Makes one call, and again while that may help. It is boxed, because the SDK's futures are several KiB.
pub(crate) async fn retrying<T, E, F>(mut call: impl FnMut() -> F) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut tries = 0;
    loop {
        match Box::pin(call()).await {
            Err(error) if tries < retries(&error) => back_off(tries).await,
            answer => return answer,
        }
        tries += 1;
    }
}

/// The table cannot be asked right now. The cause is spelled out, because an `SdkError` alone says "service error".
pub(crate) fn unavailable<E: std::error::Error + 'static>(error: SdkError<E>) -> Error {
    Error::Busy(DisplayErrorContext(error).to_string().into())
}
