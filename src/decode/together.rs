//! What comes together in rows: where a row's text is best cut into spans, and which span tells which.

use std::collections::HashMap;
use std::ops::Range;

/// For each of some rows the number of the values that it has in some fields.
#[derive(Clone)]
pub(super) struct Group {
    numbers: Vec<u32>,
    distinct: usize,
}

impl Group {
    /// Of rows with these numbers, all below `distinct`.
    pub(super) fn new(numbers: Vec<u32>, distinct: usize) -> Self {
        Group { numbers, distinct }
    }

    /// Numbers of the combinations with another group's values.
    fn with(self, other: &Group) -> Group {
        if self.distinct == self.numbers.len() || other.distinct == 1 {
            return self;
        }
        let mut known: HashMap<(u32, u32), u32, foldhash::fast::FixedState> = HashMap::default();
        let pairs = self.numbers.iter().copied().zip(other.numbers.iter().copied());
        let numbers = pairs
            .map(|pair| {
                let next = known.len() as u32;
                *known.entry(pair).or_insert(next)
            })
            .collect();
        Group { numbers, distinct: known.len() }
    }

    /// In how many rows the own value was met before, and in how many of these the other value was the same as then.
    pub(super) fn foretells(&self, other: &Group) -> (usize, usize) {
        let mut last: Vec<Option<u32>> = vec![None; self.distinct];
        let (mut seen, mut foretold) = (0, 0);
        for (own, other) in self.numbers.iter().zip(&other.numbers) {
            if let Some(before) = last[*own as usize].replace(*other) {
                seen += 1;
                foretold += usize::from(before == *other);
            }
        }
        (seen, foretold)
    }

    /// Has nearly every row a value of its own, so that the rows do not tell what comes with it?
    fn is_ever_new(&self) -> bool {
        self.distinct * 10 > self.numbers.len() * 9
    }
}

/// Which of the groups before tells best what the value of `group` is; none when hardly one does, and not one that is hardly
/// better than `known`.
pub(super) fn parent(before: &[Group], group: &Group, known: Option<usize>) -> Option<usize> {
    let rows = group.numbers.len();
    // Values that were not met before will be, the more rows there are.
    let hundredths = |parent: &Group| match parent.foretells(group) {
        (seen, foretold) if seen * 8 >= rows && foretold * 16 > rows => foretold * 100 / seen,
        _ => 0,
    };
    let hundredths: Vec<usize> = before.iter().map(hundredths).collect();
    let best = (0..before.len()).rev().max_by_key(|parent| hundredths[*parent])?;
    let stays = known.filter(|known| hundredths[*known] + 5 >= hundredths[best]);
    stays.or(Some(best)).filter(|parent| hundredths[*parent] > 0)
}

/// The best way to cut the fields up to some field: how many spans, how many texts these have in all, and where the last one
/// starts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Cut {
    spans: usize,
    texts: usize,
    start: usize,
}

/// Cuts fields side by side into as few spans as may be, and of these ways takes the one with the fewest texts.
///
/// Fields may stand in one span when one of them nearly tells all others: then the span has hardly more texts than that field
/// has values. So may fields of at most `few` combinations. Whether a field tells others that has a value of its own in nearly
/// every row is not known, so it stands only beside its like and what never changes.
pub(super) fn spans(fields: &[Group], few: usize) -> Vec<(Range<usize>, Group)> {
    let hardly_more = |texts: usize, values: usize| texts * 20 <= values * 21;
    let most = fields.iter().map(|field| field.distinct).max().unwrap_or(0);
    let mut best: Vec<Option<Cut>> = vec![None; fields.len() + 1];
    best[0] = Some(Cut { spans: 0, texts: 0, start: 0 });
    for start in 0..fields.len() {
        let Some(before) = best[start] else { continue };
        let mut group = fields[start].clone();
        for end in start + 1..=fields.len() {
            let range = &fields[start..end];
            if range.len() > 1 {
                group = group.with(&fields[end - 1]);
            }
            let is_known = !range.iter().any(Group::is_ever_new)
                || range.iter().all(|field| field.is_ever_new() || field.distinct == 1);
            if group.distinct > few && !(is_known && hardly_more(group.distinct, most)) && range.len() > 1 {
                break;
            }
            let values = range.iter().map(|field| field.distinct).max().unwrap_or(0);
            if range.len() == 1 || group.distinct <= few || is_known && hardly_more(group.distinct, values) {
                let cut = Cut { spans: before.spans + 1, texts: before.texts + group.distinct, start };
                best[end] = Some(best[end].map_or(cut, |known| known.min(cut)));
            }
        }
    }
    let mut cut = Vec::new();
    let mut end = fields.len();
    while end > 0 {
        let Some(Cut { start, .. }) = best[end] else { break };
        let first = fields[start].clone();
        cut.push((start..end, fields[start + 1..end].iter().fold(first, |group, field| group.with(field))));
        end = start;
    }
    cut.reverse();
    cut
}
