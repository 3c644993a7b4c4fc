//! A bill's texts in one form: a row is a dozen fragments copied one after the other, and a few numbers.

use std::sync::{Arc, OnceLock};

use super::forms::{Form, unknown};
use crate::simulator::bill::{Bill, Line, Statement};
use crate::simulator::chance::draw;
use crate::simulator::fields::Source;
use crate::simulator::month::Month;
use crate::simulator::resource::{Resource, SERIAL_DIGITS, serial};
use crate::simulator::values::{MONEY_SCALE, QUANTITY_SCALE, Syntax, Value};
use crate::simulator::words::DataKind;

/// One part of a row, in the order of the form.
#[derive(Debug)]
enum Part {
    Meter(usize),
    Subscription(usize),
    Resource(usize),
    Date(usize),
    /// What stands before the number.
    Cost(Box<[u8]>),
    Quantity(Box<[u8]>),
}

/// Neighbouring fields of one source, written once.
type Fragment = Box<[u8]>;

/// A resource's part of a row.
struct ResourceText {
    fragments: Vec<Fragment>,
    /// Where the serial number stands in each fragment; known only where each row has one of its own.
    serials: Vec<Vec<u32>>,
}

/// The texts of all meters, subscriptions and resources of a bill. Those of a resource are written when they are first
/// needed.
pub struct Texts {
    bill: Arc<Bill>,
    form: Form,
    parts: Vec<Part>,
    meters: Vec<Vec<Fragment>>,
    subscriptions: Vec<Vec<Fragment>>,
    resources: Vec<OnceLock<ResourceText>>,
}

/// The texts of a month's days.
pub struct Dates(Vec<Vec<Fragment>>);

impl Texts {
    /// The texts of a bill in a form.
    pub fn new(bill: Arc<Bill>, form: Form) -> Self {
        let value = |value: &dyn Fn(&str) -> Value, field: &str| unknown(field).unwrap_or_else(|| value(field));
        let meters = bill.meters().iter();
        let meters =
            meters.map(|meter| form.fragments(Source::Meter, |field| value(&|field| meter.value(field), field)));
        let subscriptions = bill.subscriptions().iter();
        let subscriptions = subscriptions
            .map(|subscription| form.fragments(Source::Subscription, |field| subscription.value(field)))
            .collect();
        let (meters, parts) = (meters.collect(), form.parts());
        let resources = (0..bill.resources()).map(|_| OnceLock::new()).collect();
        Self { bill, parts, form, meters, subscriptions, resources }
    }

    /// The form they are in.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The texts of a month's days.
    pub fn dates(&self, month: Month) -> Dates {
        let Month { year, month: number } = month;
        let dates = (1..=month.days()).map(|day| {
            self.form.fragments(Source::Date, |field| match (field, self.form.syntax) {
                ("month", _) => Value::Text(number.to_string()),
                ("day", _) => Value::Text(day.to_string()),
                ("year", _) => Value::Text(year.to_string()),
                (_, Syntax::Csv) if self.form.has_trailing_comma => Value::Text(format!("{number}/{day}/{year}")),
                (_, Syntax::Csv) => Value::Text(format!("{year:04}-{number:02}-{day:02}")),
                (_, Syntax::Json(_)) => Value::Text(format!("{year:04}-{number:02}-{day:02}T00:00:00")),
            })
        });
        Dates(dates.collect())
    }

    /// Writes a row.
    pub fn write(&self, out: &mut Vec<u8>, statement: &Statement, dates: &Dates, line: &Line) {
        let meter = &self.meters[line.meter];
        let subscription = &self.subscriptions[self.bill.subscription_of(line.resource)];
        let resource = self.resources[line.resource].get_or_init(|| self.resource(line.resource));
        for part in &self.parts {
            match part {
                Part::Meter(index) => out.extend_from_slice(&meter[*index]),
                Part::Subscription(index) => out.extend_from_slice(&subscription[*index]),
                Part::Resource(index) => {
                    let start = out.len();
                    out.extend_from_slice(&resource.fragments[*index]);
                    if self.bill.data() == DataKind::Unique {
                        let serial = serial(statement.serial(line));
                        for position in &resource.serials[*index] {
                            let at = start + *position as usize;
                            out[at..at + serial.len()].copy_from_slice(&serial);
                        }
                    }
                }
                Part::Cost(before) => {
                    out.extend_from_slice(before);
                    self.form.syntax.write_number(out, line.cost, MONEY_SCALE);
                }
                Part::Quantity(before) => {
                    out.extend_from_slice(before);
                    self.form.syntax.write_number(out, line.quantity.into(), QUANTITY_SCALE);
                }
                Part::Date(index) => {
                    out.extend_from_slice(&dates.0[line.day as usize][*index]);
                    if self.form.has_time {
                        set_time(out, line);
                    }
                }
            }
        }
        self.form.syntax.end(out);
        if self.form.has_trailing_comma {
            out.push(b',');
        }
    }

    fn resource(&self, index: usize) -> ResourceText {
        let resource: Resource<'_> = self.bill.resource(index);
        let fragments = self.form.fragments(Source::Resource, |field| resource.value(field));
        let positions = |fragment: &Fragment| {
            let windows = fragment.windows(SERIAL_DIGITS).enumerate();
            windows.filter(|(_, window)| *window == resource.serial).map(|(position, _)| position as u32).collect()
        };
        let serials = match self.bill.data() {
            DataKind::Unique => fragments.iter().map(positions).collect(),
            _ => Vec::new(),
        };
        ResourceText { fragments, serials }
    }
}

/// Replaces the midnight at the end of a JSON text by a time of day of the row's own, as `23:01:43.799Z`.
fn set_time(out: &mut Vec<u8>, line: &Line) {
    let milliseconds = draw(line.identity, 0x7469_6D65) % 86_400_000;
    let (seconds, milliseconds) = (milliseconds / 1000, milliseconds % 1000);
    out.truncate(out.len() - "00:00:00\"".len());
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    out.extend_from_slice(format!("{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z\"").as_bytes());
}

impl Form {
    /// The parts of a row, which follow from the columns.
    fn parts(&self) -> Vec<Part> {
        let (mut meter, mut subscription, mut resource, mut date) = (0, 0, 0, 0);
        let next = |counter: &mut usize| std::mem::replace(counter, *counter + 1);
        let before = |index: usize| {
            let mut out = Vec::new();
            self.syntax.begin(&mut out, &self.columns[index].name, index == 0);
            out.into_boxed_slice()
        };
        let mut parts = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            let is_neighbour = index > 0 && self.columns[index - 1].source == column.source;
            match column.source {
                Source::Cost => parts.push(Part::Cost(before(index))),
                Source::Quantity => parts.push(Part::Quantity(before(index))),
                _ if is_neighbour => {}
                Source::Meter => parts.push(Part::Meter(next(&mut meter))),
                Source::Subscription => parts.push(Part::Subscription(next(&mut subscription))),
                Source::Resource => parts.push(Part::Resource(next(&mut resource))),
                Source::Date => parts.push(Part::Date(next(&mut date))),
            }
        }
        parts
    }

    /// The fragments of one source, one for each run of neighbouring columns.
    fn fragments(&self, source: Source, value: impl Fn(&str) -> Value) -> Vec<Fragment> {
        let mut fragments = Vec::new();
        let mut fragment = Vec::new();
        for (index, column) in self.columns.iter().enumerate() {
            if column.source == source {
                self.syntax.begin(&mut fragment, &column.name, index == 0);
                self.syntax.write(&mut fragment, &value(column.field));
                let next = self.columns.get(index + 1);
                if next.is_none_or(|next| next.source != source) {
                    fragments.push(std::mem::take(&mut fragment).into_boxed_slice());
                }
            }
        }
        fragments
    }
}
