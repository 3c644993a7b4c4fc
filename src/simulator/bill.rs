//! The invented enrollment and its monthly statements: which line stands in which row, and with which numbers.
//!
//! No row is stored. A day's list is cut into blocks of [`SHOWN`] rows; each block knows [`CANDIDATES`] lines (a resource
//! and a meter) in a fixed order, and every day leaves four of them out: one that is missing that day, and of three
//! pairs the one whose resource has already gone or has not come yet. So each row of a month of any size can be worked
//! out alone, days resemble each other as in real bills, and the number of rows is exact.

use std::ops::Range;
use std::sync::Arc;

use super::catalog::{KINDS, Meter, REGIONS};
use super::chance::{Permutation, draw, draw_text, skewed};
use super::month::Month;
use super::options::Options;
use super::resource::{Describing, Resource, Subscription};
use super::words::DataKind;

/// Rows of a block on a day.
const SHOWN: u64 = 100;
/// Lines that a block knows.
const CANDIDATES: u64 = 104;
/// Resources that a block's lines belong to.
const RESOURCES_PER_BLOCK: u64 = 32;
/// More resources than this are not invented: large bills list the same ones with more lines.
const MAX_RESOURCES: u64 = 100_000;
/// How many ways there are to share a block's lines among its resources.
const TEMPLATES: usize = 16;

/// Where a resource stands and what it is.
struct Place {
    subscription: u16,
    kind: u8,
    region: u8,
}

/// For each line of a block: the resource, counted from the block's first, and the line's number within the resource.
struct Template([(u8, u8); CANDIDATES as usize]);

/// An enrollment: what it has, whatever the month.
pub struct Bill {
    key: u64,
    data: DataKind,
    describing: Describing,
    regions: usize,
    meters: Vec<Meter>,
    /// The first variant of each kind among all variants.
    first_variants: [usize; KINDS.len()],
    subscriptions: Vec<Subscription>,
    resources: Vec<Place>,
    templates: Vec<Template>,
}

impl Bill {
    /// The enrollment that the options' seed gives this number, in the size that its months need.
    pub fn new(options: &Options, enrollment: &str) -> Self {
        let key = draw_text(options.seed, enrollment);
        // A short month's days are the longest lists.
        let blocks = (options.rows_per_month / 28 + 1).div_ceil(SHOWN);
        let resource_count = (blocks * RESOURCES_PER_BLOCK).min(MAX_RESOURCES);
        let subscription_count = (resource_count / 60).clamp(3, 300);
        let accounts = (subscription_count / 6).clamp(2, 50);
        let regions = ((resource_count / 250) as usize).clamp(2, REGIONS.len());

        let mut first_variants = [0; KINDS.len()];
        let mut meters = Vec::new();
        for (kind_index, kind) in KINDS.iter().enumerate() {
            first_variants[kind_index] = meters.len() / regions;
            for variant in 0..kind.variants() {
                for region in &REGIONS[..regions] {
                    let chance = draw(key ^ 0x6D65_7465, meters.len() as u64);
                    meters.push(Meter::new(kind_index, variant, region, chance));
                }
            }
        }
        let subscriptions = (0..subscription_count)
            .map(|index| Subscription::new(enrollment, key ^ 0x7375_6273, index, accounts))
            .collect();
        let resources = (0..resource_count)
            .map(|index| {
                let chance = draw(key ^ 0x7265_736F, index);
                // Neighbours belong together: a run of eight shares its subscription and, mostly, its region.
                let run = draw(key ^ 0x7275_6E73, index / 8);
                let region_chance = if chance >> 20 & 7 == 0 { chance } else { run };
                let subscription =
                    if run & 3 == 0 { skewed(run, subscription_count) } else { index / 8 % subscription_count };
                Place {
                    subscription: subscription as u16,
                    kind: kind_of(chance) as u8,
                    region: skewed(draw(region_chance, 1), regions as u64) as u8,
                }
            })
            .collect();
        let templates = (0..TEMPLATES).map(|index| Template::new(draw(key ^ 0x7465_6D70, index as u64))).collect();
        let describing = Describing { is_full: options.data == DataKind::Unique, line_breaks: options.line_breaks };
        let data = options.data;
        Self { key, data, describing, regions, meters, first_variants, subscriptions, resources, templates }
    }

    /// A key of its own for whatever else is drawn for the enrollment.
    pub fn key(&self) -> u64 {
        self.key
    }

    /// How the rows of a month resemble each other.
    pub fn data(&self) -> DataKind {
        self.data
    }

    /// All meters.
    pub fn meters(&self) -> &[Meter] {
        &self.meters
    }

    /// All subscriptions.
    pub fn subscriptions(&self) -> &[Subscription] {
        &self.subscriptions
    }

    /// The number of resources.
    pub fn resources(&self) -> usize {
        self.resources.len()
    }

    /// The subscription of a resource, by their numbers.
    pub fn subscription_of(&self, resource: usize) -> usize {
        usize::from(self.resources[resource].subscription)
    }

    /// A resource.
    pub fn resource(&self, index: usize) -> Resource<'_> {
        let chance = draw(self.key ^ 0x7465_7874, index as u64);
        let kind = &KINDS[usize::from(self.resources[index].kind)];
        Resource::new(chance, index, kind, &self.subscriptions[self.subscription_of(index)].guid, self.describing)
    }
}

fn kind_of(chance: u64) -> usize {
    let mut rest = chance % KINDS.iter().map(|kind| kind.weight).sum::<u64>();
    for (index, kind) in KINDS.iter().enumerate() {
        if rest < kind.weight {
            return index;
        }
        rest -= kind.weight;
    }
    0
}

impl Template {
    fn new(chance: u64) -> Self {
        // Each resource has one line; the others go to resources drawn with skew, so that a few have many.
        let mut lines = [1u8; RESOURCES_PER_BLOCK as usize];
        for extra in RESOURCES_PER_BLOCK..CANDIDATES {
            let even = draw(chance, extra);
            let index =
                if even & 1 == 0 { skewed(even, RESOURCES_PER_BLOCK) } else { (even >> 8) % RESOURCES_PER_BLOCK };
            // Spread over the block: 13 shares no divisor with 32.
            lines[(index * 13 % RESOURCES_PER_BLOCK) as usize] += 1;
        }
        let mut order = lines
            .iter()
            .enumerate()
            .flat_map(|(resource, count)| (0..*count).map(move |number| (resource as u8, number)));
        Self(std::array::from_fn(|_| order.next().unwrap_or_default()))
    }
}

/// What one row says, but for the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line {
    /// Day of the month, from 0.
    pub day: u32,
    /// A number of its own in this month.
    pub identity: u64,
    /// Quantity in millionths.
    pub quantity: i64,
    /// Cost in units of 10^-15.
    pub cost: i128,
    /// The meter's number.
    pub meter: usize,
    /// The resource's number.
    pub resource: usize,
}

/// What a block leaves out on a day, and which neighbours stand in the other order.
#[derive(Default, Clone, Copy)]
struct Selection {
    left_out: [u64; 4],
    swapped: u64,
}

/// Remembers the selection of the block that was read last; rows in order ask for each only once.
#[derive(Default)]
pub struct Cursor(Option<((u64, u64), Selection)>);

/// One month of an enrollment in one version of its data.
#[derive(Clone)]
pub struct Statement {
    /// The enrollment.
    pub bill: Arc<Bill>,
    /// The month.
    pub month: Month,
    /// 1, and one more for each restatement.
    pub version: u32,
    key: u64,
    rows: u64,
}

/// Rows of a statement that belong to consecutive days, in the order in which they are served.
#[derive(Clone)]
pub struct Stretch {
    /// The month.
    pub statement: Statement,
    rows: Range<u64>,
    order: Option<Permutation>,
}

impl Stretch {
    /// All rows of the month.
    pub fn whole(statement: Statement) -> Self {
        let rows = 0..statement.rows;
        Self::of(statement, rows)
    }

    /// The rows of these days, counted from 0.
    pub fn days(statement: Statement, days: Range<u32>) -> Self {
        let rows = statement.first_of_day(days.start)..statement.first_of_day(days.end);
        Self::of(statement, rows)
    }

    fn of(statement: Statement, rows: Range<u64>) -> Self {
        let key = statement.key ^ u64::from(statement.version);
        let order = (statement.bill.data == DataKind::Shuffled).then(|| Permutation::new(key, rows.end - rows.start));
        Self { statement, rows, order }
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.rows.end - self.rows.start
    }

    /// What the row at `index`, below [`Stretch::rows`], says.
    pub fn line(&self, cursor: &mut Cursor, index: u64) -> Line {
        let index = self.order.as_ref().map_or(index, |order| order.get(index));
        self.statement.line(cursor, self.rows.start + index)
    }
}

impl Statement {
    /// The month's data in a version.
    pub fn new(bill: Arc<Bill>, options: &Options, month: Month, version: u32) -> Self {
        let first = options.rows_of(month);
        // Each restatement brings some rows more than it takes away.
        let rows = if first == 0 { 0 } else { first + u64::from(version - 1) * (1 + first / 1000) };
        let key = draw(bill.key, u64::from(month.year) * 12 + u64::from(month.month));
        Self { bill, month, version, key, rows }
    }

    /// A number that belongs to this data and no other.
    pub fn fingerprint(&self) -> u64 {
        draw(draw(self.key, u64::from(self.version)), self.rows * 4 + self.bill.data as u64)
    }

    /// A serial number of 48 bits that no other row of the month has, and that stays when the month is restated.
    pub fn serial(&self, line: &Line) -> u64 {
        // Odd factors and shifts to the right lose nothing of the 48 bits.
        const MASK: u64 = (1 << 48) - 1;
        let number = (self.key.wrapping_add(line.identity)).wrapping_mul(0x5851_F42D_4C95_7F2D) & MASK;
        (number ^ number >> 25).wrapping_mul(0x14_0573_89AB_CDEF) & MASK
    }

    /// All lines of the month by day, in whatever order they are served.
    pub fn lines(&self) -> impl Iterator<Item = Line> + '_ {
        let mut cursor = Cursor::default();
        (0..self.rows).map(move |index| self.line(&mut cursor, index))
    }

    /// The first row of a day, counted from 0 by day; the number of rows for the day after the last.
    fn first_of_day(&self, day: u32) -> u64 {
        let (day, days) = (u64::from(day), u64::from(self.month.days()));
        day * (self.rows / days) + day.min(self.rows % days)
    }

    /// What the row at `index`, counted by day, says.
    fn line(&self, cursor: &mut Cursor, index: u64) -> Line {
        let (day, position) = self.day_of(index);
        let (block, shown) = (position / SHOWN, position % SHOWN);
        let selection = match cursor.0 {
            Some((place, selection)) if place == (day, block) => selection,
            _ => {
                let selection = self.selection(day, block);
                cursor.0 = Some(((day, block), selection));
                selection
            }
        };
        let mut candidate = match shown {
            _ if shown == selection.swapped => shown + 1,
            _ if shown == selection.swapped + 1 => shown - 1,
            _ => shown,
        };
        for left_out in selection.left_out {
            candidate += u64::from(candidate >= left_out);
        }
        self.candidate(day, block, candidate)
    }

    /// The day of a row and its position in that day; the month's first days have the rows that do not divide evenly.
    fn day_of(&self, index: u64) -> (u64, u64) {
        let days = u64::from(self.month.days());
        let (short, longer_days) = (self.rows / days, self.rows % days);
        let in_longer_days = longer_days * (short + 1);
        if index < in_longer_days {
            (index / (short + 1), index % (short + 1))
        } else {
            let rest = index - in_longer_days;
            (longer_days + rest / short, rest % short)
        }
    }

    fn selection(&self, day: u64, block: u64) -> Selection {
        let chance = draw(self.key ^ 0x626C_6F63, block);
        let days = u64::from(self.month.days());
        let mut left_out = [0; 4];
        for pair in 0..3 {
            // Steps of 17 meet no line twice in six.
            let line = |number: u64| (chance + 17 * number) % CANDIDATES;
            let change = 1 + (chance >> (16 + 8 * pair)) % (days - 1);
            left_out[pair as usize] = line(2 * pair + u64::from(day < change));
        }
        let mut today = draw(chance, day);
        for version in 2..=u64::from(self.version) {
            // A restatement draws anew in every eighth block: one row vanishes, another appears.
            let again = draw(chance ^ version << 32, day);
            if again & 7 == 0 {
                today = again;
            }
        }
        let mut missing = (today >> 8) % CANDIDATES;
        while left_out[..3].contains(&missing) {
            missing = (missing + 1) % CANDIDATES;
        }
        left_out[3] = missing;
        left_out.sort_unstable();
        Selection { left_out, swapped: (today >> 32) % (SHOWN - 1) }
    }

    fn candidate(&self, day: u64, block: u64, candidate: u64) -> Line {
        let bill = &*self.bill;
        let (nth_resource, nth_line) =
            bill.templates[(draw(bill.key, block) % TEMPLATES as u64) as usize].0[candidate as usize];
        let resource_number = block * RESOURCES_PER_BLOCK + u64::from(nth_resource);
        let resource_count = bill.resources.len() as u64;
        let resource = (resource_number % resource_count) as usize;
        let turn = resource_number / resource_count;
        let Place { kind, region, .. } = bill.resources[resource];
        let (kind, region) = (usize::from(kind), usize::from(region));
        let first = draw(bill.key ^ 0x6669_7273, resource as u64);
        let variants = KINDS[kind].variants() as u64;
        let variant = (skewed(first, variants) + u64::from(nth_line) + turn) % variants;
        let meter = (bill.first_variants[kind] + variant as usize) * bill.regions + region;

        let line = block * CANDIDATES + candidate;
        let identity = line << 5 | day;
        let quantity = self.quantity(&bill.meters[meter], line, identity);
        let cost = cost(quantity, bill.meters[meter].rate);
        Line { day: day as u32, identity, quantity, cost, meter, resource }
    }

    fn quantity(&self, meter: &Meter, line: u64, identity: u64) -> i64 {
        let habits = draw(self.bill.key ^ 0x6861_6269, line);
        let mut today = draw(self.key, identity);
        let mut constant = habits % 100 < 35;
        for version in 2..=u64::from(self.version) {
            // A restatement changes one amount in 64.
            let again = draw(self.key ^ version << 32, identity);
            if again >> 58 == 0 {
                (today, constant) = (mix_in(again), false);
            }
        }
        let amount = meter.amount;
        let base = 1 + skewed(habits, amount.steps);
        let micros = if !constant {
            (base * (512 + (today & 1023)) / 1024).max(1) * amount.step
        } else if amount.hourly && habits >> 8 & 3 != 0 {
            24_000_000
        } else {
            base * amount.step
        };
        // A refund.
        if (today >> 16).is_multiple_of(199) { -(micros as i64) } else { micros as i64 }
    }
}

/// The selection of what to change used the high bits; the amounts use others.
fn mix_in(chance: u64) -> u64 {
    draw(chance, 0)
}

/// Quantity in millionths times rate, rounded half away from zero to 15 fraction digits.
pub fn cost(quantity: i64, rate: u64) -> i128 {
    let product = u128::from(quantity.unsigned_abs()) * u128::from(rate);
    let cost = match u64::try_from(product + 500_000) {
        Ok(small) => i128::from(small / 1_000_000),
        Err(_) => ((product + 500_000) / 1_000_000) as i128,
    };
    if quantity < 0 { -cost } else { cost }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    fn statement(data: DataKind, rows: u64, version: u32) -> Statement {
        let options = Options { rows_per_month: rows, data, ..Options::default() };
        Statement::new(Arc::new(Bill::new(&options, "100")), &options, options.from, version)
    }

    fn lines(statement: &Statement) -> Vec<Line> {
        lines_of(&Stretch::whole(statement.clone()))
    }

    fn lines_of(stretch: &Stretch) -> Vec<Line> {
        let mut cursor = Cursor::default();
        (0..stretch.rows()).map(|index| stretch.line(&mut cursor, index)).collect()
    }

    #[test]
    fn costs_are_rounded_half_away_from_zero() {
        assert_eq!(cost(1, 1_000_000), 1);
        assert_eq!(cost(1, 499_999), 0);
        assert_eq!(cost(1, 500_000), 1);
        assert_eq!(cost(-1, 500_000), -1);
        assert_eq!(cost(3_000_000_000_000, 50_000_000_000_000_000), 150_000_000_000_000_000_000_000);
    }

    #[test]
    fn any_size_has_exactly_its_rows_and_no_line_twice() {
        for rows in [1, 2, 30, 31, 32, 99, 3100, 3101, 12_345] {
            let identities: HashSet<u64> =
                lines(&statement(DataKind::Repeating, rows, 1)).iter().map(|line| line.identity).collect();
            assert_eq!(identities.len() as u64, rows);
        }
    }

    #[test]
    fn shuffled_rows_are_the_same_rows_in_another_order() {
        let (repeating, shuffled) = (statement(DataKind::Repeating, 5000, 1), statement(DataKind::Shuffled, 5000, 1));
        let (in_order, mut out_of_order) = (lines(&repeating), lines(&shuffled));
        assert_ne!(in_order, out_of_order);
        out_of_order.sort_unstable_by_key(|line| line.identity);
        let mut sorted = in_order;
        sorted.sort_unstable_by_key(|line| line.identity);
        assert_eq!(sorted, out_of_order);
        assert!(shuffled.lines().eq(repeating.lines()));
    }

    #[test]
    fn a_stretch_has_the_rows_of_its_days() {
        for (data, rows) in [(DataKind::Repeating, 5000), (DataKind::Shuffled, 5000), (DataKind::Repeating, 3)] {
            let statement = statement(data, rows, 1);
            for days in [0..31, 0..1, 30..31, 3..17, 5..5] {
                let mut expected: Vec<Line> = statement.lines().filter(|line| days.contains(&line.day)).collect();
                let mut lines = lines_of(&Stretch::days(statement.clone(), days));
                expected.sort_unstable_by_key(|line| line.identity);
                lines.sort_unstable_by_key(|line| line.identity);
                assert_eq!(lines, expected);
            }
        }
    }

    #[test]
    fn days_resemble_each_other_but_are_not_equal() {
        let statement = statement(DataKind::Repeating, 31_000, 1);
        let lines = lines(&statement);
        let day = |day: u32| -> Vec<(usize, usize)> {
            lines.iter().filter(|line| line.day == day).map(|line| (line.resource, line.meter)).collect()
        };
        let (first, second) = (day(3), day(4));
        assert_eq!(first.len(), 1000);
        let known: HashSet<_> = first.iter().collect();
        let shared = second.iter().filter(|line| known.contains(line)).count();
        assert!((960..1000).contains(&shared), "{shared}");
        let same_follower = first.windows(2).collect::<HashSet<_>>();
        let followed = second.windows(2).filter(|pair| same_follower.contains(pair)).count();
        assert!((900..990).contains(&followed), "{followed}");
    }

    #[test]
    fn amounts_are_as_varied_as_in_real_bills() {
        let statement = statement(DataKind::Repeating, 50_000, 1);
        let lines = lines(&statement);
        let share = |count: usize| count * 1000 / lines.len();
        let negative = share(lines.iter().filter(|line| line.cost < 0).count());
        assert!((2..10).contains(&negative), "{negative}");
        assert!(lines.iter().any(|line| line.cost == 1));
        assert!(lines.iter().any(|line| line.cost == 0));
        let mut by_line: HashMap<u64, HashSet<i64>> = HashMap::new();
        for line in &lines {
            by_line.entry(line.identity >> 5).or_default().insert(line.quantity.abs());
        }
        let constant = by_line.values().filter(|quantities| quantities.len() == 1).count() * 100 / by_line.len();
        assert!((32..50).contains(&constant), "{constant}");
    }

    #[test]
    fn a_restatement_changes_some_costs_and_some_rows() {
        let old: HashMap<u64, Line> =
            statement(DataKind::Repeating, 20_000, 1).lines().map(|line| (line.identity, line)).collect();
        let new: HashMap<u64, Line> =
            statement(DataKind::Repeating, 20_000, 2).lines().map(|line| (line.identity, line)).collect();
        assert_eq!(new.len(), 20_021);
        let vanished = old.keys().filter(|identity| !new.contains_key(identity)).count();
        let appeared = new.keys().filter(|identity| !old.contains_key(identity)).count();
        assert!((10..200).contains(&vanished), "{vanished}");
        assert_eq!(appeared, vanished + 21);
        let changed =
            new.values().filter(|line| old.get(&line.identity).is_some_and(|old| old.cost != line.cost)).count();
        assert!((100..600).contains(&changed), "{changed}");
    }
}
