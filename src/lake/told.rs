//! What a store's failure says, in one line: `object_store` tells it with addresses, times and whole XML documents.

use std::error::Error;

/// The most characters of what a store says.
const LONGEST: usize = 300;

/// The status of the answer that a request failed with, when there was one.
pub(super) fn status_of(text: &str) -> Option<u16> {
    let (_, after) = text.split_once("status code: ")?;
    after.get(..3)?.parse().ok()
}

/// Status, code and message of the service, or what became of the connection; and how often it was tried.
pub(super) fn in_one_line(error: &(dyn Error + 'static)) -> String {
    let text = error.to_string();
    let said = match status_of(&text) {
        Some(status) => {
            let told: Vec<_> = [between(&text, "<Code>", "</Code>"), between(&text, "<Message>", "</Message>")]
                .into_iter()
                .flatten()
                .collect();
            if told.is_empty() { format!("status {status}") } else { format!("status {status}: {}", told.join(": ")) }
        }
        None if text.contains("redirect without LOCATION") => "it was redirected to nowhere".to_owned(),
        None => innermost(error),
    };
    let tried = between(&text, "after ", " retries").filter(|count| count.bytes().all(|b| b.is_ascii_digit()));
    let said: String = said.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    match tried {
        Some(count) => format!("{said} (after {count} retries)"),
        None => said,
    }
}

fn between<'a>(text: &'a str, begin: &str, end: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(begin)?;
    Some(after.split_once(end)?.0.trim()).filter(|found| !found.is_empty())
}

/// The cause of all causes: errors of connections say little before it.
fn innermost(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    let text = last.to_string();
    // The metadata service of a cloud's machines is asked where nothing else gives credentials.
    match error.to_string().contains("169.254.169.254") && !text.contains("169.254.169.254") {
        true => format!("no credentials from 169.254.169.254: {text}"),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> String {
        in_one_line(&*Box::<dyn Error + Send + Sync>::from(text) as &(dyn Error + 'static))
    }

    #[test]
    fn an_answer_is_told_by_its_status_code_and_message() {
        let text = "Generic S3 error: Error performing PUT http://h/b/k in 12s, after 8 retries, max_retries: 8, \
            retry_timeout: 180s  - Server returned non-2xx status code: 503 Service Unavailable: <?xml?>\n<Error>\
            <Code>SlowDown</Code><Message>Reduce\nyour rate</Message><HostId>x</HostId></Error>";
        assert_eq!(told(text), "status 503: SlowDown: Reduce your rate (after 8 retries)");
        assert_eq!(status_of(text), Some(503));
        assert_eq!(told("x - Server returned non-2xx status code: 404 Not Found: "), "status 404");
    }

    #[test]
    fn what_has_no_status_is_told_by_its_cause() {
        let refused = std::io::Error::other(std::io::Error::from_raw_os_error(111));
        assert!(in_one_line(&refused).starts_with("Connection refused"), "{}", in_one_line(&refused));
        assert_eq!(told(&"x".repeat(1000)).len(), LONGEST);
    }
}
