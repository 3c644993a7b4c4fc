//! Where the bytes come from: the pages of the HTTP API, or files that were downloaded before.
//!
//! A [`Client`] makes one attempt at a [`Request`] and answers with [`Answer::NotModified`] or a [`Body`] and the ETag
//! it belongs to. A body's bytes go through [`Inflate`], whatever their encoding, while they arrive. When an attempt
//! fails, the pure [`RetryPolicy`] says whether and when to ask again; waiting is the caller's business.
//! [`Inputs`] gives the same kind of bytes from a file, a folder or standard input.
//!
//! What this room must never know: Arrow, a decoder, the lake. What only this room knows: the text of an [`ApiKey`].
//!
//! ```no_run
//! use billing_lake::contract::{ApiVersion, Dataset, Slice, Window};
//! use billing_lake::source::{Answer, ApiKey, Client, ClientOptions, SourceError, Way};
//!
//! # async fn run() -> Result<(), SourceError> {
//! let key = ApiKey::from_file("key.txt".as_ref())?;
//! let client = Client::new(ClientOptions::default())?;
//! let enrollment = "100".parse().expect("digits are an enrollment number");
//! let window = Window::Period("2024-11".parse().expect("a month"));
//! let slice = Slice { dataset: Dataset::UsageDetails, enrollment, window };
//! let request = client.request(&slice, ApiVersion::V3, Way::Json);
//! if let Answer::Body(mut body) = client.ask(&request, &key, None).await? {
//!     let mut inflate = body.inflate();
//!     let mut bytes = 0;
//!     while let Some(chunk) = body.chunk().await? {
//!         inflate.push(&chunk, &mut |json: &[u8]| {
//!             bytes += json.len();
//!             Ok::<_, SourceError>(())
//!         })?;
//!     }
//!     inflate.finish()?;
//! }
//! # Ok(())
//! # }
//! ```

mod body;
mod buffer;
mod client;
mod error;
mod files;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod inflate;
mod key;
mod link;
mod object;
mod origin;
mod periods;
mod refusal;
mod request;
mod retry;
mod submitted;
#[cfg(test)]
mod test_server;
mod way;

pub use body::{Answer, Body, Encoding, read_small};
pub use client::{Client, ClientOptions, DEFAULT_ENDPOINT};
pub(crate) use error::misleads;
pub use error::{ErrorKind, NetworkProblem, SourceError};
pub use files::{Input, Inputs, STANDARD_INPUT};
pub use inflate::{Inflate, MAX_PAGE_BYTES};
pub use key::{ApiKey, KeyClaims};
pub use periods::{PeriodEntry, parse_billing_periods};
pub use request::{Purpose, Request, Way};
pub use retry::{Decision, RetryPolicy, Stop, random_fraction};
pub use submitted::ReportStatus;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_waits_or_works_may_move_to_another_thread() {
        fn moves<T: Send + 'static>() {}
        moves::<ApiKey>();
        moves::<Client>();
        moves::<Body>();
        moves::<Inflate>();
        moves::<Input>();
        moves::<SourceError>();
    }
}
