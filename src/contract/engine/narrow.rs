//! Views with fewer digits, whose products are exact.
//!
//! Engines have decimals of at most 38 digits. The product of two `DECIMAL(38,18)` would need 36 of them after the point:
//! DuckDB stops when it reaches 100, Spark and Synapse round it to 6 decimals. With the digits that bills have, it fits.

use super::{ColumnType, Dialect, Table, listed};

/// The type that an amount is narrowed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Narrow {
    /// Digits in all.
    pub(super) precision: u8,
    /// Digits after the point.
    pub(super) scale: u8,
}

/// Bills have at most 6 decimals in quantities.
const QUANTITY: Narrow = Narrow { precision: 16, scale: 6 };
/// Bills have at most 15 decimals in rates and prices.
const RATE: Narrow = Narrow { precision: 21, scale: 15 };
/// All decimals of the lake, since money is rather summed than multiplied; leaves 9 digits for a factor.
const MONEY: Narrow = Narrow { precision: 28, scale: 18 };

// Spark and Synapse give a product one digit more than its factors have together, and cut decimals when there is no room.
const _: () = assert!(QUANTITY.precision + RATE.precision < 38);

/// The columns of a product, and its name.
const PRODUCT: (&str, &str, &str) = ("consumed_quantity", "resource_rate", "quantity_times_rate");

impl Narrow {
    /// The type for a column of decimals.
    pub(super) fn of(column: &str) -> Self {
        match column {
            "consumed_quantity" | "included_quantity" => QUANTITY,
            "resource_rate" | "unit_price" => RATE,
            _ => MONEY,
        }
    }
}

/// The view beside a dataset; none when it has no decimals.
pub(super) fn view(dialect: &dyn Dialect, table: &Table<'_>) -> Option<String> {
    let is_decimal = |(_, kind): &(&str, ColumnType)| *kind == ColumnType::Decimal;
    if !table.columns.iter().any(is_decimal) {
        return None;
    }
    let has = |name| table.columns.iter().any(|(column, _)| *column == name);
    let (quantity, rate, product) = PRODUCT;
    let is_product = has(quantity) && has(rate);
    let view = format!("{}_narrow", table.name);
    let mut text = format!(
        "-- {view}: to multiply. {fate}\n\
         -- Here quantities are {}, rates and prices {}, money {}; two precisions may add up to 37.\n\
         -- A value that does not fit ends the query with an error; then give its type more digits, and another one fewer.\n",
        dialect.decimal(QUANTITY),
        dialect.decimal(RATE),
        dialect.decimal(MONEY),
        fate = dialect.fate_of_products(),
    );
    let columns = table.columns.iter().map(|column| match column {
        (name, ColumnType::Decimal) => narrowed(dialect, name),
        (name, _) => dialect.name(name),
    });
    let partitions = table.partitions.iter().map(|name| dialect.name(name));
    let select = format!("SELECT\n{}\nFROM {}", listed(columns.chain(partitions)), dialect.name(table.name));
    text += &format!("{} {} AS\n", dialect.create_view(), dialect.name(&view));
    if is_product {
        let narrow = dialect.name("narrow");
        text += &format!(
            "WITH {narrow} AS (\n{select}\n)\nSELECT *, {} * {} AS {} FROM {narrow}",
            dialect.name(quantity),
            dialect.name(rate),
            dialect.name(product),
        );
    } else {
        text += &select;
    }
    Some(text + dialect.end())
}

/// The column with fewer digits. A cast alone would round what has more decimals.
fn narrowed(dialect: &dyn Dialect, column: &str) -> String {
    let (name, narrow) = (dialect.name(column), Narrow::of(column));
    let kind = dialect.decimal(narrow);
    let cast = format!("TRY_CAST({name} AS {kind})");
    let words = (&*format!("{column}: "), &*format!(" does not fit into {kind}"));
    let failure = dialect.failure(column, words, narrow);
    format!("CASE WHEN {name} IS NULL OR {cast} = {name} THEN {cast} ELSE {failure} END AS {name}")
}
