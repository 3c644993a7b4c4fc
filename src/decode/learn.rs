//! When rows are read by prediction, and when plainly: learning a layout, judging it, and starting over.

use super::column::Column;
use super::group::Group;
use super::predict::{Predictor, Verdict};
use super::sample::{Met, SAMPLE_ROWS, Sample};
use crate::contract::ColumnType;

/// Rows that are read plainly after rows were of no use to learn from; four times as many each time, up to the most.
const PAUSE: usize = SAMPLE_ROWS * 4;
const LONGEST_PAUSE: usize = SAMPLE_ROWS * 512;

/// Decides how rows are read.
pub(super) struct Learner {
    kinds: Vec<ColumnType>,
    /// Columns whose values are to be read on their own.
    alone: Vec<bool>,
    state: State,
    pause: usize,
}

enum State {
    /// So many rows are read plainly.
    Pausing(usize),
    /// Rows are read plainly and looked at.
    Sampling(Sample),
    /// Rows are expected.
    Predicting(Box<Predictor>),
}

impl Learner {
    /// For columns of these kinds.
    pub(super) fn new(kinds: Vec<ColumnType>) -> Self {
        Learner { alone: vec![false; kinds.len()], kinds, state: State::Sampling(Sample::new()), pause: PAUSE }
    }

    /// The predictor, while rows are expected.
    #[inline]
    pub(super) fn predictor(&mut self) -> Option<&mut Predictor> {
        match &mut self.state {
            State::Predicting(predictor) => Some(predictor),
            _ => None,
        }
    }

    /// Are rows looked at?
    pub(super) fn is_sampling(&self) -> bool {
        matches!(self.state, State::Sampling(_))
    }

    /// Takes a row that was read plainly.
    pub(super) fn add(&mut self, input: &[u8], met: &[Met], end: usize, group: &mut Group) {
        match &mut self.state {
            State::Pausing(rows) if *rows > 0 => *rows -= 1,
            State::Pausing(_) => self.state = State::Sampling(Sample::new()),
            State::Sampling(sample) => {
                sample.add(input, met, end);
                if sample.is_hopeless() {
                    self.give_up();
                } else if sample.is_full() {
                    let sample = std::mem::replace(sample, Sample::new());
                    match sample.layout(&self.kinds, &self.alone) {
                        Some(layout) => {
                            group.begin_section(Some(layout));
                            self.state = State::Predicting(Box::new(Predictor::new(&group.columns)));
                        }
                        None => self.give_up(),
                    }
                }
            }
            State::Predicting(_) => {}
        }
    }

    fn give_up(&mut self) {
        self.state = State::Pausing(self.pause);
        self.pause = (self.pause * 4).min(LONGEST_PAUSE);
    }

    /// Looks at how the layout at work does, now and then.
    #[inline]
    pub(super) fn look(&mut self, group: &mut Group) {
        if let State::Predicting(predictor) = &mut self.state
            && predictor.is_to_be_judged()
        {
            self.judge(group);
        }
    }

    fn judge(&mut self, group: &mut Group) {
        let row = group.rows() as u32;
        let (Some(predictor), Some((coded, columns))) = (self.predictor(), group.coded()) else { return };
        let alone = match predictor.verdict(coded, columns, row) {
            Verdict::Good => {
                // It was worth learning: the next one is not to be waited for.
                self.pause = PAUSE;
                return;
            }
            Verdict::EverNew(columns) => columns,
            Verdict::Unfit => {
                let with_effects = predictor.with_effects.iter().enumerate().filter(|(_, rows)| **rows > 0);
                with_effects.map(|(column, _)| column).collect()
            }
        };
        group.begin_section(None);
        let is_new = alone.iter().any(|column| !self.alone[*column]);
        alone.into_iter().for_each(|column| self.alone[column] = true);
        if is_new { self.state = State::Sampling(Sample::new()) } else { self.give_up() }
    }

    /// The row group ends. Columns that were read on their own without need get another chance.
    pub(super) fn end_group(&mut self, group: &mut Group) {
        let mut is_changed = false;
        for (alone, column) in self.alone.iter_mut().zip(&group.columns) {
            if *alone && matches!(column, Column::Text(text) if text.repeats()) {
                *alone = false;
                is_changed = true;
            }
        }
        if is_changed {
            group.begin_section(None);
            self.state = State::Sampling(Sample::new());
        }
    }
}
