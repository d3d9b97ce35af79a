//! Contention is not the caller's error: conflicts and throttles are tried again, with jitter, a few times.

use std::time::Duration;

use aws_sdk_dynamodb::error::{DisplayErrorContext, ProvideErrorMetadata, SdkError};
use domain::Error;

/// How often a contended call is tried again.
pub(crate) const RETRIES: u32 = 5;

/// What another try may cure: somebody else was writing, or the table was being spared. The SDK retries some of these
/// by itself, but neither conflicts nor anything long enough for a burst to pass.
const CONTENTION: [&str; 6] = [
    "TransactionConflictException",
    "TransactionInProgressException",
    "ThrottlingException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "InternalServerError",
];

/// True for an error code that another try may cure.
pub(crate) fn is_contention(code: Option<&str>) -> bool {
    code.is_some_and(|code| CONTENTION.contains(&code))
}

/// Waits a random while before try number `tries` (from 0): at most 25 ms, doubling each time.
pub(crate) async fn back_off(tries: u32) {
    let most = 25 << tries.min(RETRIES);
    tokio::time::sleep(Duration::from_millis(rand::random_range(0..=most))).await;
}

/// Makes one call, and again while it meets contention. It is boxed, because the SDK's futures are several KiB.
pub(crate) async fn retrying<T, E, F>(mut call: impl FnMut() -> F) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    for tries in 0..RETRIES {
        match Box::pin(call()).await {
            Err(error) if is_contention(error.code()) => back_off(tries).await,
            answer => return answer,
        }
    }
    Box::pin(call()).await
}

/// The table cannot be asked right now. The cause is spelled out, because an `SdkError` alone says "service error".
pub(crate) fn unavailable<E: std::error::Error + 'static>(error: SdkError<E>) -> Error {
    Error::Busy(DisplayErrorContext(error).to_string().into())
}
