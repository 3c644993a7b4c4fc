//! Which slices a run asks for, and why: a pure function of what the API lists, what the lake holds and today's date.

use std::str::FromStr;

use crate::contract::{BillingPeriod, Contract, Slice};
use crate::lake::{FileState, LakeFile, Unreadable};

/// Days after its end in which a period still changes often.
const DAYS_OF_LATE_CHANGES: i32 = 10;
/// Days after which a closed period is asked for again.
const DAYS_BETWEEN_CHECKS: i32 = 7;

/// Which billing periods are asked for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Periods {
    /// All that the API lists.
    #[default]
    All,
    /// The newest so many that the API lists.
    Last(usize),
    /// These: single periods and inclusive ranges.
    Chosen(Vec<(BillingPeriod, BillingPeriod)>),
}

impl FromStr for Periods {
    type Err = String;

    /// Reads `2024-01..2024-06,2024-09`; periods may be written `202401` too.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let period = |text: &str| text.trim().parse::<BillingPeriod>().map_err(|error| error.to_string());
        let range = |part: &str| {
            let (first, last) = part.split_once("..").unwrap_or((part, part));
            let (first, last) = (period(first)?, period(last)?);
            if first > last { Err(format!("{first}..{last} ends before it begins")) } else { Ok((first, last)) }
        };
        Ok(Periods::Chosen(text.split(',').map(range).collect::<Result<_, _>>()?))
    }
}

impl Periods {
    /// The chosen ones of the periods that are listed, newest first; then those that were named and are not listed.
    pub(crate) fn choose(&self, listed: &[BillingPeriod]) -> (Vec<BillingPeriod>, Vec<BillingPeriod>) {
        let mut newest_first = listed.to_vec();
        newest_first.sort_by(|a, b| b.cmp(a));
        newest_first.dedup();
        match self {
            Periods::All => (newest_first, Vec::new()),
            Periods::Last(count) => (newest_first.into_iter().take(*count).collect(), Vec::new()),
            Periods::Chosen(ranges) => {
                let chosen =
                    |period: &BillingPeriod| ranges.iter().any(|(first, last)| (first..=last).contains(&period));
                let named = ranges.iter().filter(|(first, last)| first == last).map(|(first, _)| *first);
                let missing = named.filter(|period| !newest_first.contains(period)).collect();
                (newest_first.into_iter().filter(chosen).collect(), missing)
            }
        }
    }
}

impl Periods {
    /// The periods that are named, newest first, as far as a calendar tells them; none when it takes a list. `current` is
    /// the newest that there can be.
    pub(crate) fn named(&self, current: BillingPeriod) -> Option<Vec<BillingPeriod>> {
        let back = std::iter::successors(Some(current), |period| BillingPeriod::of_day(period.first_day() - 1));
        match self {
            Periods::All => None,
            Periods::Last(count) => Some(back.take(*count).collect()),
            Periods::Chosen(ranges) => {
                let is_named =
                    |period: &BillingPeriod| ranges.iter().any(|(first, last)| (first..=last).contains(&period));
                Some(back.filter(is_named).collect())
            }
        }
    }
}

/// When files in place are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Recheck {
    /// Open periods and those closed within 10 days at every run, older ones once a week.
    #[default]
    Auto,
    /// Every file at every run.
    All,
}

/// What is done about a slice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Action {
    /// Fetched without a condition.
    Fetch,
    /// Asked for with this ETag; fetched when it changed.
    Check(Vec<u8>),
    /// Fetched, and published when its text has another hash than this.
    Compare(String),
    /// Nothing: not due.
    NotDue,
    /// Nothing: the API has no such data.
    NoData,
    /// Nothing: refused, because the file in place is of a newer version.
    Refuse,
}

impl Action {
    /// Does it lead to a request?
    pub(crate) fn asks(&self) -> bool {
        matches!(self, Action::Fetch | Action::Check(_) | Action::Compare(_))
    }
}

/// What a plan looks at besides the file in place.
pub(crate) struct Situation<'a> {
    pub(crate) recheck: Recheck,
    pub(crate) force: bool,
    /// Today in UTC, as days from 1970-01-01.
    pub(crate) today: i32,
    pub(crate) contract: &'a Contract,
    /// The request that would be made, as it stands in files.
    pub(crate) request: &'a str,
    /// The day on which the slice was last asked for, as far as known.
    pub(crate) checked: Option<i32>,
}

/// Decides about one slice; also says why, in words.
pub(crate) fn decide(slice: &Slice, in_place: Option<&LakeFile>, situation: &Situation<'_>) -> (Action, String) {
    let fetch = |why: &str| (Action::Fetch, why.to_owned());
    let Some(file) = in_place else { return fetch("not in the lake yet") };
    if situation.force {
        return fetch("--force");
    }
    let state = match &file.state {
        Ok(state) => state,
        Err(newer @ Unreadable::Newer { .. }) => return (Action::Refuse, format!("the file in place is {newer}")),
        Err(unreadable) => return fetch(&format!("the file in place cannot be read: {unreadable}")),
    };
    if state.contract != situation.contract.fingerprint() {
        return fetch("the file in place has other columns");
    }
    if state.request != situation.request {
        return fetch("the file in place was not made by this request");
    }
    let due = match (situation.recheck, slice.period()) {
        (Recheck::All, _) => Some("--recheck all"),
        (Recheck::Auto, None) => Some("asked for at every run"),
        (Recheck::Auto, Some(period)) => due(period, situation.today, last_asked(state, situation.checked)),
    };
    let Some(why) = due else {
        return (Action::NotDue, "closed and asked for within the last 7 days".to_owned());
    };
    match (&state.etag, &state.answer) {
        (Some(etag), _) => (Action::Check(etag.clone()), why.to_owned()),
        (None, Some(answer)) => (Action::Compare(answer.clone()), why.to_owned()),
        (None, None) => fetch(&format!("{why}; the file in place has no ETag")),
    }
}

/// Why a period in place is due to be asked for, if it is.
fn due(period: BillingPeriod, today: i32, asked: Option<i32>) -> Option<&'static str> {
    if today <= period.last_day() {
        return Some("the period is open");
    }
    if today <= period.last_day() + DAYS_OF_LATE_CHANGES {
        return Some("the period closed within 10 days");
    }
    match asked {
        Some(day) if today - day < DAYS_BETWEEN_CHECKS && day <= today => None,
        _ => Some("last asked for a week ago or earlier"),
    }
}

fn last_asked(state: &FileState, checked: Option<i32>) -> Option<i32> {
    let fetched = day_of(&state.fetched_at);
    checked.max(fetched)
}

/// The UTC day of an RFC 3339 instant.
pub(crate) fn day_of(instant: &str) -> Option<i32> {
    let instant = chrono::DateTime::parse_from_rfc3339(instant).ok()?;
    Some(instant.to_utc().date_naive().to_epoch_days())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn period(text: &str) -> BillingPeriod {
        text.parse().unwrap()
    }

    #[test]
    fn periods_are_chosen_newest_first() {
        let listed = ["2024-01", "2024-03", "2024-02", "2024-06"].map(period);
        let names = |periods: Vec<BillingPeriod>| periods.iter().map(BillingPeriod::to_string).collect::<Vec<_>>();
        assert_eq!(names(Periods::All.choose(&listed).0), ["2024-06", "2024-03", "2024-02", "2024-01"]);
        assert_eq!(names(Periods::Last(2).choose(&listed).0), ["2024-06", "2024-03"]);
        let (chosen, missing) = "2024-01..2024-02,202405".parse::<Periods>().unwrap().choose(&listed);
        assert_eq!(names(chosen), ["2024-02", "2024-01"]);
        assert_eq!(names(missing), ["2024-05"]);
        assert!("2024-13".parse::<Periods>().is_err());
        assert!("2024-06..2024-01".parse::<Periods>().is_err());
    }

    #[test]
    fn named_periods_need_no_list() {
        let names = |text: &str| {
            let named = text.parse::<Periods>().unwrap().named(period("2024-03"))?;
            Some(named.iter().map(BillingPeriod::to_string).collect::<Vec<_>>())
        };
        assert_eq!(names("2024-01..2024-06,2014-05").unwrap(), ["2024-03", "2024-02", "2024-01", "2014-05"]);
        assert_eq!(Periods::Last(2).named(period("2024-01")).unwrap(), [period("2024-01"), period("2023-12")]);
        assert_eq!(Periods::Last(2).named(period("2014-05")).unwrap().len(), 1);
        assert_eq!(Periods::All.named(period("2024-03")), None);
    }

    #[test]
    fn a_closed_period_is_due_once_a_week() {
        let november = period("2024-11");
        let end = november.last_day();
        assert!(due(november, end, Some(end)).is_some());
        assert!(due(november, end + 10, Some(end + 10)).is_some());
        assert!(due(november, end + 11, Some(end + 11)).is_none());
        assert!(due(november, end + 17, Some(end + 11)).is_none());
        assert!(due(november, end + 18, Some(end + 11)).is_some());
        assert!(due(november, end + 11, None).is_some());
        // A clock that was ahead does not silence a period.
        assert!(due(november, end + 11, Some(end + 400)).is_some());
    }
}
