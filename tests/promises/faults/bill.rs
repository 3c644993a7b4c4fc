//! A bill as the server sends it: rows whose amounts are integers, so that the truth is counted without the client.

/// Units of 10^-18 in a millionth.
const UNITS_OF_MILLIONTH: i128 = 1_000_000_000_000;

/// A row, and what of it must be found in the file.
#[derive(Clone)]
pub struct Row {
    /// Its meter's name: no two rows have the same.
    pub name: String,
    /// Its cost, in units of 10^-18.
    pub cost: i128,
    /// Its consumed quantity, in units of 10^-18.
    pub quantity: i128,
    /// As it is sent.
    pub text: String,
}

impl Row {
    /// A row with these amounts, in millionths.
    pub fn new(name: &str, date: &str, cost: i128, quantity: i128) -> Self {
        let text = format!(
            r#"{{"cost":{},"date":"{date}","meterName":"{name}","consumedQuantity":{},"costCenter":"\u00e9 or é","tags":"{{  \"env\": \"prod\"}}"}}"#,
            millionths(cost),
            millionths(quantity),
        );
        let units = |amount| amount * UNITS_OF_MILLIONTH;
        Row { name: name.to_owned(), cost: units(cost), quantity: units(quantity), text }
    }

    /// The same with more fields, written as JSON.
    pub fn and(mut self, fields: &str) -> Self {
        self.text.truncate(self.text.len() - 1);
        self.text += &format!(",{fields}}}");
        self
    }
}

fn millionths(amount: i128) -> String {
    format!("{}.{:06}", amount / 1_000_000, amount % 1_000_000)
}

/// A version of a billing period: one row for each day, none of which costs nothing.
pub fn rows(period: &str, version: u32) -> Vec<Row> {
    let days: u32 = if period == "2024-11" { 30 } else { 31 };
    let row = |day: u32| {
        let amount = i128::from(day) * 1_234_567 + i128::from(version) * 89;
        let name = format!("{period} v{version} day {day}");
        Row::new(&name, &format!("{period}-{day:02}T00:00:00"), amount, amount * 3 + 1)
    };
    (1..=days).map(row).collect()
}

/// A page with these rows.
pub fn page(rows: &[Row], next: Option<&str>) -> String {
    let rows: Vec<_> = rows.iter().map(|row| row.text.as_str()).collect();
    format!(r#"{{"id":"1","data":[{}],"nextLink":{}}}"#, rows.join(","), serde_json::json!(next))
}

/// A number of units as the decimal that stands in reports: no zeros at its end.
pub fn decimal(units: i128) -> String {
    let (sign, units) = (if units < 0 { "-" } else { "" }, units.unsigned_abs());
    let one = 1_000_000_000_000_000_000;
    let text = format!("{sign}{}.{:018}", units / one, units % one);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
