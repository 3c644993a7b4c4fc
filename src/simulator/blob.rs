//! The host of ordered files, as a blob storage answers: signatures in the query, errors in XML.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use chrono::{SecondsFormat, Utc};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, ETAG, HeaderName};
use hyper::{Method, StatusCode};

use super::answers::{Answer, Call, json_answer, set};
use super::reports::{Opened, open};
use super::state::State;

const ERROR_CODE: HeaderName = HeaderName::from_static("x-ms-error-code");
const BLOB_TYPE: HeaderName = HeaderName::from_static("x-ms-blob-type");

/// The right answer of the host.
pub async fn respond(state: &Arc<State>, call: &Call<'_>) -> Answer {
    if call.headers.contains_key(AUTHORIZATION) {
        state.counting.keys_sent_to_blobs.fetch_add(1, Relaxed);
        let message =
            "Authentication information is not given in the correct format. Check the value of Authorization header.";
        return failure(StatusCode::BAD_REQUEST, "InvalidAuthenticationInfo", message, None);
    }
    if call.method != Method::GET {
        let message = "The resource doesn't support specified Http Verb.";
        return failure(StatusCode::METHOD_NOT_ALLOWED, "UnsupportedHttpVerb", message, None);
    }
    const UNAUTHENTICATED: &str = "Server failed to authenticate the request. Make sure the value of Authorization header is formed correctly including the signature.";
    let forbidden =
        |detail: &str| failure(StatusCode::FORBIDDEN, "AuthenticationFailed", UNAUTHENTICATED, Some(detail));
    match open(state, call.path, call.query) {
        Opened::Missing => failure(StatusCode::NOT_FOUND, "BlobNotFound", "The specified blob does not exist.", None),
        Opened::Unsigned => forbidden("Signature did not match."),
        Opened::Expired(expiry) => {
            let now = Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true);
            forbidden(&format!("Signed expiry time [{expiry}] must be after signed start time [{now}]"))
        }
        Opened::File(document) => {
            let mut answer = json_answer(StatusCode::OK, "");
            set(&mut answer, CONTENT_TYPE, "application/octet-stream");
            set(&mut answer, BLOB_TYPE, "BlockBlob");
            set(&mut answer, ETAG, &format!("\"0x8D{:015X}\"", document.fingerprint >> 4));
            *answer.body_mut() = state.cache.measured_body(&document, call.base).await;
            state.counting.others_served.fetch_add(1, Relaxed);
            answer
        }
    }
}

/// An error as a blob storage sends it.
fn failure(status: StatusCode, code: &str, message: &str, detail: Option<&str>) -> Answer {
    let detail = detail
        .map_or_else(String::new, |detail| format!("<AuthenticationErrorDetail>{detail}</AuthenticationErrorDetail>"));
    let text = format!(
        "\u{feff}<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message>{detail}</Error>"
    );
    let mut answer = json_answer(status, text);
    set(&mut answer, CONTENT_TYPE, "application/xml");
    set(&mut answer, ERROR_CODE, code);
    answer
}
