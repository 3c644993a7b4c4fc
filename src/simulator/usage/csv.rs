//! What stands around the rows of a CSV file.

use super::forms::Form;
use crate::simulator::dataset::Wanted;
use crate::simulator::days::Days;
use crate::simulator::document::Wrapping;
use crate::simulator::words::{CsvForm, CsvLanguage};

/// What some editors put in front of UTF-8.
const BOM: &str = "\u{feff}";

/// A file of these days.
pub fn wrapping(wanted: &Wanted<'_>, form: &Form) -> Wrapping {
    let options = wanted.options;
    let days = match wanted.days {
        Days::Period(month) => month.to_string(),
        Days::Range(first, last) => format!("{first} - {last}"),
    };
    // Only the English words are known from files; a range's are made up.
    let title = match (options.csv_language, wanted.days) {
        (CsvLanguage::English, Days::Period(_)) => "UsageDetail Report for Billing Period",
        (CsvLanguage::English, Days::Range(..)) => "UsageDetail Report for Date Range",
        (CsvLanguage::French, Days::Period(_)) => "Rapport UsageDetail pour la période de facturation",
        (CsvLanguage::French, Days::Range(..)) => "Rapport UsageDetail pour la plage de dates",
        (CsvLanguage::German, Days::Period(_)) => "UsageDetail-Bericht für den Abrechnungszeitraum",
        (CsvLanguage::German, Days::Range(..)) => "UsageDetail-Bericht für den Datumsbereich",
    };
    let mut before = if options.csv_bom { BOM.to_owned() } else { String::new() };
    before += &match options.csv_form {
        CsvForm::Current => format!("{title} - {days}\r\n\r\n"),
        CsvForm::Bare => String::new(),
        CsvForm::Old => "\"Usage Data Extract\",\r\n\"\",\r\n".to_owned(),
    };
    let before = [before.into_bytes(), form.captions()].concat();
    Wrapping::Lines { before, is_ended: options.csv_last_line_end }
}
