//! What was served, summed in integers.

use serde_json::{Value, json};

use super::bill::Statement;
use super::fields::{MONEY_SCALE, QUANTITY_SCALE, decimal};

/// Sums over all rows of a statement.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sums {
    /// In units of 10^-15.
    pub cost: i128,
    /// In units of 10^-6.
    pub quantity: i128,
    /// In units of 10^-15.
    pub rate: i128,
    /// Rows whose cost is below zero.
    pub negative_rows: u64,
}

impl Sums {
    /// Works the sums out, row by row, without any text.
    pub fn of(statement: &Statement) -> Self {
        statement.lines().fold(Self::default(), |sums, line| Self {
            cost: sums.cost + line.cost,
            quantity: sums.quantity + i128::from(line.quantity),
            rate: sums.rate + i128::from(statement.bill.meter(&line).rate),
            negative_rows: sums.negative_rows + u64::from(line.cost < 0),
        })
    }

    /// The sums as JSON: decimals as strings, without rounding.
    pub fn to_json(self) -> Value {
        json!({
            "cost": decimal(self.cost, MONEY_SCALE),
            "consumed_quantity": decimal(self.quantity, QUANTITY_SCALE),
            "resource_rate": decimal(self.rate, MONEY_SCALE),
        })
    }
}
