//! The billing periods of an enrollment: which there are, and what data each has.

use std::str::FromStr;

use serde_json::{Map, Value};

use super::error::{SourceError, shown};
use super::key::ApiKey;
use super::object::member;
use super::request::Request;
use crate::contract::{BillingPeriod, Dataset};

/// A billing period that the service lists. A dataset is there when its link is neither null nor empty nor absent; the
/// links themselves name an old version of the API and are not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeriodEntry {
    /// The month.
    pub period: BillingPeriod,
    /// Whether there are usage details.
    pub has_usage: bool,
    /// Whether there is a balance summary.
    pub has_balance: bool,
    /// Whether there are marketplace store charges.
    pub has_marketplace: bool,
    /// Whether there is a price sheet.
    pub has_price_sheet: bool,
}

impl PeriodEntry {
    /// Whether there is that dataset.
    pub fn has(&self, dataset: Dataset) -> bool {
        match dataset.of_periods() {
            Dataset::BillingPeriods => true,
            Dataset::PriceSheet => self.has_price_sheet,
            Dataset::BalanceSummary => self.has_balance,
            Dataset::MarketplaceCharges | Dataset::MarketplaceChargesByDate => self.has_marketplace,
            Dataset::UsageDetails | Dataset::UsageDetailsByDate => self.has_usage,
        }
    }
}

/// Reads the answer to a billing periods request, newest period first. A period listed twice has what either entry has.
///
/// # Errors
/// [`SourceError::Broken`] when the text ends inside the JSON; [`SourceError::Content`] when it is no JSON array of
/// objects, or an id is no month that can be: nothing of it is used then.
pub fn parse_billing_periods(request: &Request, key: &ApiKey, text: &[u8]) -> Result<Vec<PeriodEntry>, SourceError> {
    // What is wrong is quoted, and it may be anything.
    let content = |problem: String| SourceError::content(request, key.redact(&problem));
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let value: Value = serde_json::from_slice(text).map_err(|error| {
        if error.is_eof() {
            SourceError::broken(request, "the billing periods end inside the JSON")
        } else {
            content(format!("the billing periods are no JSON: {error}"))
        }
    })?;
    let Value::Array(listed) = value else {
        return Err(content("the billing periods are no JSON array".to_owned()));
    };
    let mut entries: Vec<PeriodEntry> = Vec::with_capacity(listed.len());
    for item in &listed {
        let Value::Object(fields) = item else {
            return Err(content("a billing period is no JSON object".to_owned()));
        };
        let has = |name| matches!(member(fields, name), Some(Value::String(link)) if !link.trim().is_empty());
        entries.push(PeriodEntry {
            period: period(fields).map_err(content)?,
            has_usage: has("usageDetails"),
            has_balance: has("balanceSummary"),
            has_marketplace: has("marketplaceCharges"),
            has_price_sheet: has("priceSheet"),
        });
    }
    entries.sort_by_key(|entry| std::cmp::Reverse(entry.period));
    entries.dedup_by(|twin, kept| {
        let same = twin.period == kept.period;
        if same {
            kept.has_usage |= twin.has_usage;
            kept.has_balance |= twin.has_balance;
            kept.has_marketplace |= twin.has_marketplace;
            kept.has_price_sheet |= twin.has_price_sheet;
        }
        same
    });
    Ok(entries)
}

fn period(fields: &Map<String, Value>) -> Result<BillingPeriod, String> {
    let id = match member(fields, "billingPeriodId") {
        Some(Value::String(id)) => id.trim().to_owned(),
        Some(Value::Number(id)) => id.to_string(),
        Some(other) => return Err(format!("a billing period's id is {}", shown(&other.to_string()))),
        None => return Err("a billing period has no id".to_owned()),
    };
    BillingPeriod::from_str(&id).map_err(|error| format!("the service lists a billing period that cannot be: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::{Client, ClientOptions, ErrorKind};

    fn parse(text: &str) -> Result<Vec<PeriodEntry>, SourceError> {
        let client = Client::new(ClientOptions::local("http://127.0.0.1:1")).unwrap();
        let key = ApiKey::from_text("secret-of-100").unwrap();
        parse_billing_periods(
            &client.billing_periods_request(&"100".parse().unwrap(), crate::contract::ApiVersion::V2),
            &key,
            text.as_bytes(),
        )
    }

    #[test]
    fn presence_of_a_link_tells_what_a_period_has() {
        let entries = parse(
            r#"[{"billingPeriodId":"201703","usageDetails":null,"balanceSummary":"/v1/x","priceSheet":""},
                {"BillingPeriodID":201704,"billingStart":"2017-04-01T00:00:00Z","USAGEDETAILS":"/v1/y","new":{}}]"#,
        )
        .unwrap();
        let entry = PeriodEntry {
            period: "2017-04".parse().unwrap(),
            has_usage: true,
            has_balance: false,
            has_marketplace: false,
            has_price_sheet: false,
        };
        let older = PeriodEntry { period: "2017-03".parse().unwrap(), has_usage: false, has_balance: true, ..entry };
        assert_eq!(entries, [entry, older]);
        assert_eq!(parse("[]").unwrap(), []);
    }

    #[test]
    fn a_period_listed_twice_is_one() {
        let entries = parse(
            r#"[{"billingPeriodId":"201704"},{"billingPeriodId":"201703"},
                {"billingPeriodId":"201704","usageDetails":"/x"}]"#,
        )
        .unwrap();
        assert_eq!(entries.len(), 2);
        assert!(entries[0].has_usage);
    }

    #[test]
    fn a_month_that_cannot_be_is_refused_by_name() {
        for id in ["\"201713\"", "999999", "\"../201704\"", "null", "201704.5", "\"\"", "{}"] {
            let error = parse(&format!(r#"[{{"billingPeriodId":{id},"usageDetails":"/x"}}]"#)).unwrap_err();
            assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Data, false), "{error}");
        }
        assert!(parse(r#"[{"billingPeriodId":"201713"}]"#).unwrap_err().to_string().contains("201713"));
        assert!(parse(r#"[{}]"#).is_err());
        let echoed = parse(r#"[{"billingPeriodId":"Secret-of-100"}]"#).unwrap_err().to_string();
        assert!(!echoed.contains("ecret-of") && echoed.contains('…'), "{echoed}");
    }

    #[test]
    fn cut_json_is_asked_for_again_and_other_json_is_not() {
        assert!(parse(r#"[{"billingPeriodId":"2017"#).unwrap_err().is_retryable());
        for text in ["{}", "null", "[1]", "[}", "12"] {
            assert_eq!(parse(text).unwrap_err().kind(), ErrorKind::Data, "{text}");
        }
    }
}
