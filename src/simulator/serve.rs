//! A document as an answer: conditions, ETag, gzip.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use hyper::StatusCode;
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap, IF_NONE_MATCH};

use super::answers::{Answer, Call, json_answer, set};
use super::document::Wrapping;
use super::find::Found;
use super::state::State;

/// Answers with a document, or with 304.
pub async fn serve(state: &Arc<State>, call: &Call<'_>, found: Found) -> Answer {
    let Found { document, page } = found;
    let etag = state.etag(document.fingerprint, page);
    let of_first = state.etag(document.fingerprint, 1);
    let is_met = |etag: &Option<String>| etag.as_deref().is_some_and(|etag| not_modified(call.headers, etag));
    let is_modified = match page {
        1 => !is_met(&etag),
        _ => !state.options.page_conditions || !is_met(&etag) && !is_met(&of_first),
    };
    if !is_modified {
        let mut answer = Answer::default();
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
        if let Some(etag) = etag {
            set(&mut answer, ETAG, &etag);
        }
        return answer;
    }
    let gzip = state.options.gzip && takes_gzip(call.headers);
    let mut answer = json_answer(StatusCode::OK, "");
    *answer.body_mut() = state.cache.body(&document, page, gzip, call.base).await;
    let counting = &state.counting;
    if document.is_paged() { &counting.pages_served } else { &counting.others_served }.fetch_add(1, Relaxed);
    if let Wrapping::Lines { .. } = document.wrapping {
        set(&mut answer, CONTENT_TYPE, "application/octet-stream");
    }
    if gzip {
        set(&mut answer, CONTENT_ENCODING, "gzip");
    }
    if let Some(etag) = etag {
        set(&mut answer, ETAG, &etag);
    }
    answer
}

/// Whether `If-None-Match` names the ETag, byte for byte, alone or in a list, or is `*`.
fn not_modified(headers: &HeaderMap, etag: &str) -> bool {
    headers.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value == etag || value.split(',').map(str::trim).any(|candidate| candidate == etag || candidate == "*")
    })
}

/// Whether the client takes gzip.
pub fn takes_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let (name, quality) = coding.split_once(';').unwrap_or((coding, "q=1"));
            let quality = quality.trim().trim_start_matches(['q', 'Q', '=']);
            ["gzip", "*"].iter().any(|word| name.trim().eq_ignore_ascii_case(word))
                && !quality.trim_matches(['0', '.']).is_empty()
        })
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn gzip_is_sent_only_to_who_takes_it() {
        let takes =
            |value: &str| takes_gzip(&HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap())]));
        assert!(takes("gzip") && takes("br, GZIP;q=0.5") && takes("*"));
        assert!(
            !takes("br") && !takes("gzip;q=0") && !takes("gzip; q=0.000, identity") && !takes_gzip(&HeaderMap::new())
        );
    }
}
