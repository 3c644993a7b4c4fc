//! Bad days: a list of rules that say which answers go wrong, and how.

mod bomb;
mod play;
mod read;
#[cfg(test)]
mod tests;

pub use bomb::Bomb;
pub use play::play;

use std::fmt;
use std::time::Duration;

use hyper::StatusCode;
use hyper::header::{HeaderName, HeaderValue};

use super::Error;
use super::chance::{draw, draw_text};
use super::days::Days;
use super::month::Month;
use super::routes::Resource;

/// Rules of what goes wrong, in order: the first one that fits a request is played. The default has none.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Faults {
    pub(super) rules: Vec<Rule>,
}

impl Faults {
    /// Reads a list of rules from JSON, as `docs/simulator.md` describes it.
    ///
    /// # Errors
    /// [`Error::Json`] when the text is none; [`Error::Rule`] for an unknown key or a wrong value, with the number of the
    /// rule, counted from 1, and the key.
    ///
    /// ```
    /// use billing_lake::simulator::Faults;
    ///
    /// let faults = r#"[{"when": {"page": 3, "attempt": 1}, "then": {"status": 503}}]"#;
    /// assert!(Faults::from_json(faults).is_ok());
    /// let error = Faults::from_json(r#"[{"when": {"sheet": 3}, "then": {"status": 503}}]"#).unwrap_err();
    /// assert!(error.to_string().starts_with("rule 1: when.sheet: "));
    /// ```
    pub fn from_json(text: &str) -> Result<Self, Error> {
        read::rules(text).map(|rules| Self { rules })
    }

    /// Number of the first rule that fits, counted from 0.
    pub(super) fn find(&self, seed: u64, asked: &Asked, attempt: u64) -> Option<usize> {
        (0..self.rules.len()).find(|&index| self.rules[index].when.fits(seed, index as u64, asked, attempt))
    }
}

/// One rule.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// What it is called where it is counted.
    pub name: Option<String>,
    /// Which requests.
    pub when: When,
    /// What goes wrong with their answers.
    pub then: Then,
}

/// What a request asks for, as far as rules know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    pub resource: Resource,
    /// Of the API, 1 to 3.
    pub version: u8,
    pub enrollment: String,
    /// None in a request for the list of billing periods.
    pub days: Option<Days>,
    /// Counted from 1; none in a request for the list, and where a token leads to no page. What has no pages is page 1.
    pub page: Option<u64>,
    pub is_last: bool,
    pub is_conditional: bool,
}

impl fmt::Display for Asked {
    /// What requests are counted under: `usage_details/100/202401/1`, `billing_periods/100`; a page that there is not
    /// is `-`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.resource.name(), self.enrollment)?;
        match (self.days, self.page) {
            (None, _) => Ok(()),
            (Some(days), None) => write!(f, "/{days}/-"),
            (Some(days), Some(page)) => write!(f, "/{days}/{page}"),
        }
    }
}

/// Which page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichPage {
    /// One of those.
    Among(Numbers),
    /// The last of its period.
    Last,
}

/// Some of the numbers from 1 on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The first.
    pub from: u64,
    /// The last.
    pub to: u64,
    /// Of these each n-th, beginning with the n-th.
    pub every: u64,
}

impl Numbers {
    fn hold(self, number: u64) -> bool {
        (self.from..=self.to).contains(&number) && (number - self.from + 1).is_multiple_of(self.every)
    }
}

/// Which requests; what is not given fits all.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct When {
    pub resource: Option<Resource>,
    /// Of the API.
    pub version: Option<u8>,
    pub enrollment: Option<String>,
    pub period: Option<Month>,
    pub page: Option<WhichPage>,
    /// Which requests of the same page, counted from 1 since the start.
    pub attempt: Option<Numbers>,
    /// Whether the request carries a condition.
    pub conditional: Option<bool>,
    /// Between 0 and 1: so much of the requests that fit otherwise.
    pub share: Option<f64>,
}

impl When {
    fn fits(&self, seed: u64, rule: u64, asked: &Asked, attempt: u64) -> bool {
        let page = match self.page {
            None => true,
            Some(WhichPage::Among(numbers)) => asked.page.is_some_and(|page| numbers.hold(page)),
            Some(WhichPage::Last) => asked.is_last,
        };
        // Drawn from what is asked for, so that a day goes wrong in the same way whatever the order of requests.
        let drawn = || {
            let draw = draw_text(draw(draw(seed, rule), attempt), &asked.to_string());
            (draw >> 11) as f64 / (1_u64 << 53) as f64
        };
        self.resource.is_none_or(|resource| resource == asked.resource)
            && self.version.is_none_or(|version| version == asked.version)
            && self.enrollment.as_ref().is_none_or(|enrollment| *enrollment == asked.enrollment)
            && self.period.is_none_or(|period| asked.days == Some(Days::Period(period)))
            && self.conditional.is_none_or(|conditional| conditional == asked.is_conditional)
            && page
            && self.attempt.is_none_or(|numbers| numbers.hold(attempt))
            && self.share.is_none_or(|share| drawn() < share)
    }
}

/// A place in a body: bytes from its beginning, or before its end when negative.
pub type Place = i64;

/// Where an answer breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakAt {
    /// After so many bytes of the answer, counted from the head's first.
    Head(u64),
    /// After so many bytes of the body as sent.
    Body(Place),
}

/// How an answer breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BreakHow {
    /// Nothing more comes, and the connection stays.
    Stall,
    /// The connection is closed.
    Close,
    /// The connection is reset.
    Reset,
}

/// What stands in a body instead of what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// `{"error":{"code":…,"message":…}}`
    Error,
    /// `{"message":…}`
    Message,
    /// A page for people.
    Html,
    /// Nothing.
    Empty,
    /// This; `{base}` and `{target}` are replaced.
    Text(String),
    /// Gzip that unpacks to so many zero bytes.
    Zeros(u64),
    /// Gzip that unpacks to a page of about so many bytes, all of one row.
    Rows(u64),
}

/// Whether a body is packed, whatever the client takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Never.
    Plain,
    /// Always.
    Gzip,
    /// Always, with wrong bytes in the middle.
    Corrupt,
}

/// What a `nextLink` leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NextLink {
    /// The page that it stands in.
    Itself,
    /// The first page.
    First,
    /// The same page under a new link each time.
    Endless,
    /// This; `{base}` and `{target}` are replaced.
    Text(String),
}

/// A header's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderText {
    /// This.
    Plain(HeaderValue),
    /// The date that is so many seconds from now, as HTTP writes dates.
    FromNow(i64),
}

/// What goes wrong with an answer; nothing of it by default.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Then {
    pub status: Option<StatusCode>,
    pub body: Option<Content>,
    /// Values in the place of those that the answer has, in this order; none of them removes the header.
    pub headers: Vec<(HeaderName, Vec<HeaderText>)>,
    pub delay: Duration,
    pub break_at: Option<(BreakHow, BreakAt)>,
    /// The body comes in pieces of so many bytes, with such pauses between.
    pub trickle: Option<(usize, Duration)>,
    /// The body comes in chunks, and its length is not told.
    pub is_chunked: bool,
    /// The text ends here, and its length is told so.
    pub cut_at: Option<Place>,
    /// This byte of the body as sent is inverted.
    pub corrupt_at: Option<Place>,
    pub packing: Option<Packing>,
    pub restate_before: bool,
    pub restate_after: bool,
    /// Links of the version before lead to pages of the next one.
    pub keep_links: bool,
    pub ignore_conditions: bool,
    pub next_link: Option<NextLink>,
    /// Text of members that a page has before its data.
    pub envelope: Option<String>,
    /// Text of rows that a page has after its own.
    pub rows: Vec<String>,
    /// Texts whose first occurrence is replaced, and what by.
    pub replace: Vec<(String, String)>,
    /// Where a redirect leads; `{base}` and `{target}` are replaced.
    pub redirect: Option<String>,
}
