//! The terms of a column in groups of about one size, and the windows of all groups as pieces of work.

use super::affine::Point;
use super::buckets::{Family, Sorted, Table, Term, sum_buckets, weigh};
use super::field::Fp;
use super::plan::{self, Windows};
use super::scalar::{Run, Signed, Value, scan};
use ff::WithSmallOrderMulGroup as _;
use halo2_proofs::halo2curves::bn256::{Fq, Fr};
use rayon::prelude::*;
use zeroize::Zeroize;

/// The modelled nanoseconds of a piece of work, at least: enough for batches of some thousand additions.
const MIN_WORK: f64 = 3e5;
/// The modelled nanoseconds of a piece of work, at most, unless it is a single window.
const MAX_WORK: f64 = 4e6;

/// Rows of a column that one thread reads.
const CHUNK: usize = 1 << 14;

/// The terms of a column of scalars, none of them zero. Secret, and of a secret length.
#[derive(Default)]
pub(crate) struct Column {
    terms: Vec<Term>,
    magnitudes: Vec<u128>,
    runs: Vec<Run>,
    /// For each run the sum of its points, and that sum's image under the endomorphism.
    extra: Vec<Point>,
}

impl Column {
    /// Reads a column of scalars over the prepared points, and sums the points of its runs.
    ///
    /// Cost: 20 bytes a term; an addition for each row of a run.
    pub(crate) fn read(prepared: &[Point], scalars: &[Fr]) -> Self {
        let chunks = scalars.par_chunks(CHUNK).enumerate();
        let parts: Vec<Self> = chunks.map(|(i, chunk)| Self::read_rows(prepared, chunk, i * CHUNK)).collect();
        let mut parts = parts.into_iter();
        let mut column = parts.next().unwrap_or_default();
        for mut part in parts {
            column.terms.append(&mut part.terms);
            column.magnitudes.append(&mut part.magnitudes);
            column.runs.append(&mut part.runs);
        }
        column.sum_runs(prepared);
        column
    }

    /// Reads the scalars of the rows from `first` on.
    fn read_rows(prepared: &[Point], scalars: &[Fr], first: usize) -> Self {
        let (mut column, mut runs) = (Self::default(), Vec::new());
        let images = prepared.len() / 2;
        let single = |row: usize, value| {
            let row = first + row;
            if !prepared[row].is_identity() {
                column.push(&value, row, row + images);
            }
        };
        scan(scalars, single, |run| runs.push(Run { start: first + run.start, end: first + run.end, ..run }));
        column.runs = runs;
        column
    }

    fn sum_runs(&mut self, prepared: &[Point]) {
        let table = Table { prepared, extra: &[] };
        let mut sorted = Sorted::default();
        for run in &self.runs {
            let rows = (run.start..run.end).filter(|row| !prepared[*row].is_identity());
            sorted.terms.extend(rows.map(|row| (row as Term) << 1));
            sorted.ends.push(sorted.terms.len() as u32);
        }
        let sums = sum_buckets(&[(sorted.ends.len(), table)], &sorted);
        let zeta = Fp::from_fq(&Fq::ZETA);
        for (run, sum) in std::mem::take(&mut self.runs).iter().zip(sums) {
            if !sum.is_identity() {
                let position = prepared.len() + self.extra.len();
                self.extra.extend([sum, sum.endomorphism(zeta)]);
                self.push(&run.value, position, position + 1);
            }
        }
    }

    /// Adds the terms of a value: on the point at `position`, and if the value is split on its image.
    fn push(&mut self, value: &Value, position: usize, image: usize) {
        match value {
            Value::Small { magnitude, negative } => {
                self.push_term(position, Signed { magnitude: u128::from(*magnitude), negative: *negative });
            }
            Value::Split(first, second) => {
                self.push_term(position, *first);
                self.push_term(image, *second);
            }
        }
    }

    fn push_term(&mut self, position: usize, factor: Signed) {
        if factor.magnitude != 0 {
            self.terms.push((position as Term) << 1 | Term::from(factor.negative));
            self.magnitudes.push(factor.magnitude);
        }
    }

    /// Divides the column into groups, at most two: the many small terms and the few large ones. Leaves it without
    /// terms.
    pub(crate) fn take_groups<'a>(&'a mut self, index: usize, prepared: &'a [Point]) -> Vec<Group<'a>> {
        let (terms, magnitudes) = (std::mem::take(&mut self.terms), std::mem::take(&mut self.magnitudes));
        let table = Table { prepared, extra: &self.extra };
        let mut counts = [0; 129];
        for magnitude in &magnitudes {
            counts[bits(*magnitude) as usize] += 1;
        }
        let limit = plan::divide(&counts);
        let small: usize = counts[..=limit as usize].iter().sum();
        let group = |terms, magnitudes| Group::new(index, table, terms, magnitudes);
        if small == 0 || small == terms.len() {
            return if terms.is_empty() { Vec::new() } else { vec![group(terms, magnitudes)] };
        }
        let pairs = terms.into_iter().zip(magnitudes);
        let (small, large): (Vec<_>, Vec<_>) = pairs.partition(|(_, magnitude)| bits(*magnitude) <= limit);
        let unzipped = [small, large].map(|part| part.into_iter().unzip());
        unzipped.into_iter().map(|(terms, magnitudes)| group(terms, magnitudes)).collect()
    }
}

fn bits(magnitude: u128) -> u32 {
    u128::BITS - magnitude.leading_zeros()
}

/// Terms of one column that are cut into windows alike.
pub(crate) struct Group<'a> {
    column: usize,
    table: Table<'a>,
    windows: Windows,
    terms: Vec<Term>,
    /// The factor of each term, plus the offset of the windows.
    shifted: Vec<u128>,
}

impl<'a> Group<'a> {
    fn new(column: usize, table: Table<'a>, terms: Vec<Term>, mut magnitudes: Vec<u128>) -> Self {
        let most = magnitudes.iter().map(|magnitude| bits(*magnitude)).max().unwrap_or(0);
        let windows = plan::choose(terms.len(), most);
        let offset = windows.offset();
        magnitudes.iter_mut().for_each(|magnitude| *magnitude += offset);
        Self { column, table, windows, terms, shifted: magnitudes }
    }
}

/// A few windows that one thread sums together.
pub(crate) struct Work<'a> {
    windows: Vec<(&'a Group<'a>, usize)>,
}

/// `2^bit point`, a part of the sum of a column.
pub(crate) struct Part {
    pub(crate) column: usize,
    pub(crate) bit: u32,
    pub(crate) point: Point,
}

impl<'a> Work<'a> {
    /// All windows of all groups, packed so that threads have enough pieces and batches are long.
    pub(crate) fn divide(groups: &'a [Group<'a>]) -> Vec<Self> {
        let cost = |group: &Group<'_>, w| plan::window_cost(group.terms.len(), group.windows.log_buckets(w));
        let windows: Vec<(&Group<'_>, usize, f64)> = groups
            .iter()
            .flat_map(|group| (0..group.windows.count()).map(move |w| (group, w, cost(group, w))))
            .collect();
        let total: f64 = windows.iter().map(|(.., cost)| cost).sum();
        let limit = (total / (4 * rayon::current_num_threads()) as f64).clamp(MIN_WORK, MAX_WORK);
        let (mut works, mut filled) = (Vec::<Self>::new(), f64::INFINITY);
        for (group, w, cost) in windows {
            if filled + cost > limit {
                works.push(Self { windows: Vec::new() });
                filled = 0.0;
            }
            filled += cost;
            works.last_mut().expect("pushed before").windows.push((group, w));
        }
        works
    }

    /// The sums of the windows, each as a few points with powers of two.
    pub(crate) fn sum(&self) -> Vec<Part> {
        let mut sorted = Sorted::default();
        let (mut families, mut tables) = (Vec::new(), Vec::new());
        for (group, w) in &self.windows {
            let family = Family { start: sorted.ends.len(), log_len: group.windows.log_buckets(*w) };
            sort_window(&mut sorted, group, *w);
            tables.push((sorted.ends.len(), group.table));
            families.push(family);
        }
        let mut buckets = sum_buckets(&tables, &sorted);
        weigh(&mut buckets, &families);
        let mut parts = Vec::new();
        for ((group, w), family) in self.windows.iter().zip(&families) {
            let low = group.windows.bounds[*w];
            let mut part = |bit, position: usize| {
                let point = buckets[family.start + position];
                if !point.is_identity() {
                    parts.push(Part { column: group.column, bit, point });
                }
            };
            part(low, 0);
            (0..family.log_len).for_each(|j| part(low + j, 1 << j));
        }
        parts
    }
}

/// Appends the terms of a window in the order of their digits, by counting. Digits zero are left out.
fn sort_window(sorted: &mut Sorted, group: &Group<'_>, window: usize) {
    let first = sorted.ends.len();
    sorted.ends.resize(first + (1 << group.windows.log_buckets(window)), 0);
    let ends = &mut sorted.ends[first..];
    for shifted in &group.shifted {
        let digit = group.windows.digit(window, *shifted);
        if digit != 0 {
            ends[digit.unsigned_abs() as usize - 1] += 1;
        }
    }
    // Counts to starts; placing the terms then turns them into ends.
    let mut next = sorted.terms.len() as u32;
    for end in ends.iter_mut() {
        (*end, next) = (next, next + *end);
    }
    sorted.terms.resize(next as usize, 0);
    for (shifted, term) in group.shifted.iter().zip(&group.terms) {
        let digit = group.windows.digit(window, *shifted);
        if digit != 0 {
            let at = &mut ends[digit.unsigned_abs() as usize - 1];
            sorted.terms[*at as usize] = term ^ Term::from(digit < 0);
            *at += 1;
        }
    }
}

impl Drop for Column {
    fn drop(&mut self) {
        self.magnitudes.zeroize();
    }
}

impl Drop for Group<'_> {
    fn drop(&mut self) {
        self.shifted.zeroize();
    }
}
