//! The forms of a usage detail: JSON of each version, and CSV. Which fields, under which names, in which order.
//!
//! Written from the API's documentation and recorded files, as `fields.rs` is, and for the same reason.

use super::captions::{CAPTIONS, OLD_CAPTIONS};
use crate::simulator::fields::{FIELDS, Source};
use crate::simulator::options::Options;
use crate::simulator::values::{Style, Syntax, UNKNOWN, Value};
use crate::simulator::words::{CsvForm, NumberForm, UsageV1};

/// The names of a version 1 row: `extendedCost` is what later versions call cost.
const V1: [&str; 34] = [
    "enrollmentNumber",
    "accountId",
    "productId",
    "resourceLocationId",
    "consumedServiceId",
    "departmentId",
    "accountOwnerEmail",
    "accountName",
    "serviceAdministratorId",
    "subscriptionId",
    "subscriptionGuid",
    "subscriptionName",
    "date",
    "product",
    "meterId",
    "meterCategory",
    "meterSubCategory",
    "meterRegion",
    "meterName",
    "consumedQuantity",
    "resourceRate",
    "extendedCost",
    "resourceLocation",
    "consumedService",
    "instanceId",
    "serviceInfo1",
    "serviceInfo2",
    "additionalInfo",
    "tags",
    "storeServiceIdentifier",
    "departmentName",
    "costCenter",
    "unitOfMeasure",
    "resourceGroup",
];

/// A form, by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FormName {
    /// JSON of version 1, 2 or 3.
    Json(u8),
    /// CSV of version 2 or 3.
    Csv(u8),
}

impl FormName {
    /// Number of forms.
    pub const COUNT: usize = 5;

    /// Its place among all forms.
    pub fn index(self) -> usize {
        match self {
            Self::Json(version) => usize::from(version.clamp(1, 3)) - 1,
            Self::Csv(version) => usize::from(version.clamp(2, 3)) + 1,
        }
    }
}

/// A column: its name in the form, and the field it shows.
#[derive(Debug)]
pub struct Column {
    pub name: String,
    pub field: &'static str,
    pub source: Source,
}

/// How usage details are written.
#[derive(Debug)]
pub struct Form {
    pub syntax: Syntax,
    pub columns: Vec<Column>,
    /// Dates are instants, with a time of each row's own.
    pub has_time: bool,
    /// Every line ends in a comma.
    pub has_trailing_comma: bool,
}

impl Form {
    /// The form of this name, with what the options say.
    pub fn new(name: FormName, options: &Options) -> Self {
        match name {
            FormName::Json(version) => Self::json(version, options),
            FormName::Csv(version) => Self::csv(version, options),
        }
    }

    fn json(version: u8, options: &Options) -> Self {
        let mut names: Vec<&'static str> = match version {
            1 => V1.to_vec(),
            // Version 2 has the fields of version 1 but for the enrollment.
            2 => V1[1..].iter().map(|name| if *name == "extendedCost" { "Cost" } else { name }).collect(),
            _ => FIELDS.iter().map(|(name, _)| *name).collect(),
        };
        match options.usage_v1 {
            UsageV1::Preview if version == 1 => names.insert(1, "cost"),
            UsageV1::Later if version == 1 => drop(names.remove(0)),
            _ => {}
        }
        let mut columns: Vec<_> = names.into_iter().map(|name| Column::new(name.to_owned(), name)).collect();
        if options.extra_fields {
            columns.extend(UNKNOWN.iter().map(|(name, _)| Column::new((*name).to_owned(), name)));
        }
        let numbers = if options.numbers == NumberForm::Padded { NumberForm::Plain } else { options.numbers };
        let style = Style { numbers, ..options.style() };
        Self { syntax: Syntax::Json(style), columns, has_time: version < 3, has_trailing_comma: false }
    }

    fn csv(version: u8, options: &Options) -> Self {
        let is_old = options.csv_form == CsvForm::Old;
        let mut columns: Vec<_> = if is_old {
            OLD_CAPTIONS.iter().map(|(caption, field)| Column::new((*caption).to_owned(), field)).collect()
        } else {
            // Version 2 ends where those columns begin that version 3 added.
            let count = if version == 2 { CAPTIONS.len() - 7 } else { CAPTIONS.len() };
            let captions = CAPTIONS[..count].iter();
            captions.map(|caption| Column::new(caption.in_language(options.csv_language), caption.name)).collect()
        };
        if options.extra_fields {
            columns.push(Column::new("BenefitId".to_owned(), "benefitId"));
        }
        Self { syntax: Syntax::Csv, columns, has_time: false, has_trailing_comma: is_old }
    }

    /// Whether rows are objects.
    pub fn is_json(&self) -> bool {
        matches!(self.syntax, Syntax::Json(_))
    }

    /// The line of all captions, without its end.
    pub fn captions(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            self.syntax.begin(&mut out, &column.name, index == 0);
            self.syntax.write(&mut out, &Value::from(column.name.as_str()));
        }
        if self.has_trailing_comma {
            out.push(b',');
        }
        out
    }
}

impl Column {
    /// A column that shows the field of this name, which is read without case; `Cost` and `extendedCost` are both the
    /// cost.
    fn new(name: String, field: &'static str) -> Self {
        let field = if field.eq_ignore_ascii_case("extendedCost") { "cost" } else { field };
        let known = FIELDS.iter().find(|(known, _)| known.eq_ignore_ascii_case(field));
        let (field, source) = known.copied().unwrap_or((
            field,
            match field {
                "enrollmentNumber" => Source::Subscription,
                "day" | "month" | "year" => Source::Date,
                _ => Source::Meter,
            },
        ));
        Self { name, field, source }
    }
}

/// The value of a field that no documentation knows.
pub fn unknown(field: &str) -> Option<Value> {
    UNKNOWN.iter().find(|(name, _)| *name == field).map(|(_, value)| value.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_knows_its_field() {
        for name in [FormName::Json(1), FormName::Json(2), FormName::Json(3), FormName::Csv(2), FormName::Csv(3)] {
            for csv_form in [CsvForm::Current, CsvForm::Old] {
                let form = Form::new(name, &Options { csv_form, ..Options::default() });
                for column in &form.columns {
                    let is_known = FIELDS.iter().any(|(field, _)| *field == column.field);
                    let is_other = ["enrollmentNumber", "day", "month", "year"].contains(&column.field);
                    assert!(is_known || is_other, "{column:?}");
                }
            }
        }
    }
}
