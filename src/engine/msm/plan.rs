//! How many windows to cut scalars into: a model of the cost, in nanoseconds of one core.
//!
//! The constants were fitted on an Intel Sapphire Rapids with IFMA, by forcing numbers of windows for 2^3 to 2^18
//! scalars. The best number is within 3 % of the one chosen. Additions that are not eight at a time cost four times as
//! much, but the ratios that matter stay near enough.

/// An affine addition in a batch.
const ADDITION: f64 = 25.0;
/// Finding the digit of a term, sorting the term, and fetching its point.
const TERM: f64 = 20.0;
/// An empty bucket, or one with a single point.
const BUCKET: f64 = 35.0;
/// A window of its own: its rounds, its share of the inversions and of the last sum.
const WINDOW: f64 = 700.0;

/// The sizes of windows that are tried. More would cost too much memory, less is no use even for one term.
const MIN_WIDTH: u32 = 3;
const MAX_WIDTH: u32 = 17;

/// Scalars of at most `bits` bits, cut into windows from the lowest bit up.
///
/// All windows but the top one have signed digits, `-2^(width - 1) ..= 2^(width - 1)`. The digit of the top window is
/// `0 ..= 2^width`. The sign of a scalar is kept apart.
#[derive(Clone, Debug)]
pub(crate) struct Windows {
    /// The lowest bit of each window, and after the last one `bits`.
    pub(crate) bounds: Vec<u32>,
}

impl Windows {
    /// Cuts `bits > 0` bits into `count` windows such that all have about as many buckets.
    fn cut(bits: u32, count: u32) -> Self {
        // One bit more for all but the top window: they have signed digits.
        let bounds = (0..count).map(|i| (bits + 1) * i / count).chain([bits]).collect();
        Self { bounds }
    }

    /// The number of windows.
    pub(crate) fn count(&self) -> usize {
        self.bounds.len() - 1
    }

    /// The binary logarithm of the number of buckets of a window.
    pub(crate) fn log_buckets(&self, window: usize) -> u32 {
        let width = self.bounds[window + 1] - self.bounds[window];
        if window + 1 == self.count() { width } else { width - 1 }
    }

    /// What to add to a magnitude so that its digits are those of the shifted value, less half a window each.
    pub(crate) fn offset(&self) -> u128 {
        let signed = &self.bounds[1..self.count()];
        signed.iter().map(|bound| 1u128 << (bound - 1)).sum()
    }

    /// The digit of a magnitude to which [`Windows::offset`] was added.
    #[inline(always)]
    pub(crate) fn digit(&self, window: usize, shifted: u128) -> i32 {
        let low = (shifted >> self.bounds[window]) as u32;
        if window + 1 == self.count() {
            return low as i32;
        }
        let width = self.bounds[window + 1] - self.bounds[window];
        (low & ((1 << width) - 1)) as i32 - (1 << (width - 1))
    }
}

/// The cost of one window with `terms` terms in `2^log_buckets` buckets.
pub(crate) fn window_cost(terms: usize, log_buckets: u32) -> f64 {
    let (terms, buckets) = (terms as f64, f64::from(1u32 << log_buckets));
    // 1 - exp(-load), to a few per cent.
    let load = terms / buckets;
    let used = buckets * (1.0 - 1.0 / (1.0 + load * (1.0 + load * (0.5 + load / 6.0))));
    WINDOW + terms * TERM + (terms - used) * ADDITION + buckets * BUCKET + 2.0 * used * ADDITION
}

/// The cheapest windows for `terms` scalars of at most `bits` bits.
pub(crate) fn choose(terms: usize, bits: u32) -> Windows {
    Windows::cut(bits.max(1), cheapest(terms, bits.max(1)).1)
}

/// The least cost of `terms > 0` scalars of at most `bits > 0` bits, and the number of windows that has it.
fn cheapest(terms: usize, bits: u32) -> (f64, u32) {
    let cost = |count: u32| {
        // `Windows::cut` makes windows of two sizes, counting the top one as one bit longer than it is.
        let (log_buckets, longer) = ((bits + 1) / count - 1, (bits + 1) % count);
        f64::from(longer) * window_cost(terms, log_buckets + 1)
            + f64::from(count - longer) * window_cost(terms, log_buckets)
    };
    let counts = bits.div_ceil(MAX_WIDTH)..=bits.div_ceil(MIN_WIDTH);
    let costs = counts.map(|count| (cost(count), count));
    costs.min_by(|a, b| a.0.total_cmp(&b.0)).expect("MIN_WIDTH is below MAX_WIDTH")
}

/// Where to divide the terms of a column: those of more bits than the result get windows of their own.
///
/// `counts[b]` is the number of terms of `b` bits.
pub(crate) fn divide(counts: &[usize]) -> u32 {
    let total: usize = counts.iter().sum();
    let Some(top) = counts.iter().rposition(|&count| count > 0) else { return 0 };
    let cost = |terms: usize, bits: usize| if terms == 0 { 0.0 } else { cheapest(terms, bits as u32).0 };
    let mut below = 0;
    let mut best = (cost(total, top), top);
    for (bits, count) in counts.iter().enumerate().take(top) {
        below += count;
        if *count > 0 {
            let divided = cost(below, bits) + cost(total - below, top);
            if divided < best.0 {
                best = (divided, bits);
            }
        }
    }
    best.1 as u32
}
