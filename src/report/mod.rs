//! Questions about a lake, answered from the lake alone.
//!
//! [`verify`] reads every file back and says which ones are not what was written.

mod verify;

pub use verify::{
    Finding, Sample, SampleSize, Unwatched, Verification, VerifiedFile, VerifyError, VerifyOptions, Watch, verify,
};
