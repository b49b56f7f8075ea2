//! Sums of points by bucket, and of buckets by weight: all of it as batches of independent affine additions.

use super::affine::{Adder, Pair, Point};
use rayon::prelude::*;
use std::cell::RefCell;

/// Points summed together in one block: 64 bytes each, so that a block stays in the second level cache, and enough
/// for batches of thousands of additions.
const BLOCK: usize = 1 << 13;

/// A term of a sum: twice the position of a point in a [`Table`], plus one if the point is to be subtracted.
pub(crate) type Term = u32;

/// The points that terms refer to: the prepared ones, then those made for one column.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a> {
    pub(crate) prepared: &'a [Point],
    pub(crate) extra: &'a [Point],
}

impl Table<'_> {
    /// The point of a term, with its sign.
    #[inline(always)]
    fn signed(&self, term: Term) -> Point {
        let position = (term >> 1) as usize;
        let point = match self.prepared.get(position) {
            Some(point) => point,
            None => &self.extra[position - self.prepared.len()],
        };
        point.negate_if(term & 1 == 1)
    }
}

/// Terms in the order of their buckets: those of bucket `i` are `terms[ends[i - 1]..ends[i]]`. No term is the identity.
#[derive(Default)]
pub(crate) struct Sorted {
    pub(crate) terms: Vec<Term>,
    pub(crate) ends: Vec<u32>,
}

/// A stretch of points that are to be summed into the first.
#[derive(Clone, Copy)]
struct Stretch {
    start: u32,
    len: u32,
}

/// What a thread needs while it adds, kept from block to block: new memory would cost as much as the additions.
struct Room {
    adder: Adder,
    pairs: Vec<Pair>,
    points: Vec<Point>,
}

thread_local! {
    static ROOM: RefCell<Room> =
        RefCell::new(Room { adder: Adder::new(), pairs: Vec::new(), points: Vec::new() });
}

/// Sums every stretch into its first point. Each round adds the second half of each stretch to the first, so that
/// all additions of a round are independent whatever the lengths.
///
/// Cost: one addition for each point but the first of its stretch; as many rounds as the longest stretch has bits.
fn fold(points: &mut [Point], mut open: Vec<Stretch>, adder: &mut Adder, pairs: &mut Vec<Pair>) {
    loop {
        open.retain(|stretch| stretch.len > 1);
        if open.is_empty() {
            return;
        }
        pairs.clear();
        for Stretch { start, len } in &mut open {
            let kept = len.div_ceil(2);
            pairs.extend((*start..*start + (*len - kept)).map(|lower| (lower, lower + kept)));
            *len = kept;
        }
        adder.add_pairs(points, pairs);
    }
}

/// The sum of the terms of every bucket; the identity for an empty one. `tables[i]` is for the buckets before
/// `tables[i].0`.
///
/// Cost: one addition a term, less one for each bucket in use, and 64 bytes a bucket. Blocks of [`BLOCK`] terms run
/// in parallel.
pub(crate) fn sum_buckets(tables: &[(usize, Table<'_>)], sorted: &Sorted) -> Vec<Point> {
    let starts: Vec<usize> = (0..sorted.terms.len()).step_by(BLOCK).collect();
    let blocks: Vec<Block> =
        starts.par_iter().map(|&start| ROOM.with_borrow_mut(|room| Block::sum(tables, sorted, start, room))).collect();

    // A bucket that crosses the end of a block has several parts.
    let mut buckets = vec![Point::IDENTITY; sorted.ends.len()];
    let mut crossing: Vec<(u32, Point)> = Vec::new();
    for block in &blocks {
        let last = block.sums.len() - 1;
        for (i, (bucket, sum)) in block.buckets.iter().zip(&block.sums).enumerate() {
            if i == 0 || i == last {
                crossing.push((*bucket, *sum));
            } else {
                buckets[*bucket as usize] = *sum;
            }
        }
    }
    let (order, mut points): (Vec<u32>, Vec<Point>) = crossing.into_iter().unzip();
    let mut start = 0;
    let groups = order.chunk_by(|a, b| a == b).map(|group| {
        let stretch = Stretch { start, len: group.len() as u32 };
        start += stretch.len;
        stretch
    });
    let stretches: Vec<Stretch> = groups.collect();
    ROOM.with_borrow_mut(|room| fold(&mut points, stretches.clone(), &mut room.adder, &mut room.pairs));
    for Stretch { start, .. } in stretches {
        buckets[order[start as usize] as usize] = points[start as usize];
    }
    buckets
}

/// The sums of a block of terms, by bucket in order; at least one.
struct Block {
    buckets: Vec<u32>,
    sums: Vec<Point>,
}

impl Block {
    /// Sums the terms from `start` to the end of the block.
    fn sum(tables: &[(usize, Table<'_>)], sorted: &Sorted, start: usize, room: &mut Room) -> Self {
        let Room { adder, pairs, points } = room;
        let end = sorted.terms.len().min(start + BLOCK);
        points.clear();
        let mut from = start;
        for (last, table) in tables {
            let until = end.min(sorted.ends[..*last].last().map_or(0, |end| *end as usize));
            if from < until {
                points.extend(sorted.terms[from..until].iter().map(|term| table.signed(*term)));
                from = until;
            }
        }

        let (mut buckets, mut stretches) = (Vec::new(), Vec::<Stretch>::new());
        let mut bucket = sorted.ends.partition_point(|&bucket_end| bucket_end as usize <= start);
        let mut from = start;
        while from < end {
            let until = end.min(sorted.ends[bucket] as usize);
            if from < until {
                buckets.push(bucket as u32);
                stretches.push(Stretch { start: (from - start) as u32, len: (until - from) as u32 });
            }
            from = until;
            bucket += 1;
        }
        fold(points, stretches.clone(), adder, pairs);
        let sums = stretches.iter().map(|stretch| points[stretch.start as usize]).collect();
        Self { buckets, sums }
    }
}

/// A family of `2^log_len` buckets, the first at position `start`, that stand for the weights 1, 2, ... in order.
pub(crate) struct Family {
    pub(crate) start: usize,
    pub(crate) log_len: u32,
}

/// Rearranges each family of buckets `b_0, b_1, ...` so that
/// `sum_i (i + 1) b_i = points[start] + sum_j 2^j points[start + 2^j]`, `j < log_len`.
///
/// In round `s` of `m` the upper half of the first `2^(m - s)` buckets is added to the lower half, which halves the
/// problem: what is missing is the sum of the upper half, times its distance. That sum is folded in later rounds.
/// At the end bucket 0 holds the sum of all.
///
/// Cost: two additions a bucket, cheap ones where buckets are empty; `m` rounds, shared by all families.
pub(crate) fn weigh(points: &mut [Point], families: &[Family]) {
    let rounds = families.iter().map(|family| family.log_len).max().unwrap_or(0);
    ROOM.with_borrow_mut(|Room { adder, pairs, .. }| {
        for round in 0..rounds {
            pairs.clear();
            for family in families.iter().filter(|family| family.log_len > round) {
                let half = 1 << (family.log_len - round - 1);
                let uppers = (family.log_len - round..family.log_len).map(|j| 1 << j);
                for first in std::iter::once(0).chain(uppers) {
                    let first = family.start as u32 + first;
                    pairs.extend((first..first + half).map(|a| (a, a + half)));
                }
            }
            adder.add_pairs(points, pairs);
        }
    });
}
