//! How scalars are cut into windows, and how many multiples of each base are kept for that.

/// The magnitudes of scalars, `min(s, p - s)`, are below `2^253`; a bit more holds the carry of signed digits.
const BITS: u32 = 254;

/// The kernels have the buckets of a set in at most 256 tiles of at most 256.
const LOG_TILE: u32 = 8;

/// The most prepared points: entries have 31 bits for a position. It is 128 GiB of them.
pub(super) const MAX_POINTS: usize = 1 << 31;

/// What [`Bases::new`](super::Bases::new) computes beforehand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Precomputed {
    /// Bits of a window, 2 to 17.
    pub window: u32,
    /// How many multiples of each base are kept, the base included: 1 is none beforehand. More than there are windows are not kept.
    ///
    /// With as many as there are windows, `254 / window`, a column has `2^(window - 1)` buckets; with half as many, twice that; and so on.
    pub levels: u32,
}

/// A [`Precomputed`] with what follows from it: window `w` is of group `w % groups`, and its multiples are level `w / groups`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) window: u32,
    pub(super) windows: u32,
    pub(super) groups: u32,
    pub(super) levels: u32,
}

impl Plan {
    pub(super) fn new(Precomputed { window, levels }: Precomputed) -> Self {
        assert!((2..=2 * LOG_TILE + 1).contains(&window), "windows of {window} bits, of 2 to 17 are possible");
        assert!(levels > 0, "the bases themselves are a level");
        let windows = BITS.div_ceil(window);
        let groups = windows.div_ceil(levels);
        Self { window, windows, groups, levels: windows.div_ceil(groups) }
    }

    /// The plan of the least products for `bases` bases, with at most `bytes` of prepared points if more than one level is to be kept.
    pub(super) fn choose(bases: usize, bytes: usize) -> Self {
        let fits = |plan: &Self| {
            let points = bases.saturating_mul(plan.levels as usize);
            plan.levels == 1 || (points < MAX_POINTS && points.saturating_mul(64) <= bytes)
        };
        let windows = 2..=2 * LOG_TILE + 1;
        let all =
            windows.flat_map(|window| (1..=BITS.div_ceil(window)).map(move |levels| Precomputed { window, levels }));
        let fitting = all.map(Self::new).filter(fits);
        fitting.min_by(|a, b| a.cost(bases).total_cmp(&b.cost(bases))).expect("one level always fits")
    }

    /// Products for four columns as proofs have them: one of full scalars, three of 16 bits. An entry costs ten, a bucket in use two additions of 14,
    /// and any bucket as much time as two: it is counted, scanned and loaded.
    fn cost(&self, bases: usize) -> f64 {
        let (bases, groups) = (bases as f64, f64::from(self.groups));
        let buckets = f64::from(1 << self.log_buckets());
        let carry = if 16 % self.window == 0 { 0.5 } else { 0.0 };
        let short = f64::from(16_u32.div_ceil(self.window)) + carry;
        let entries = bases * (f64::from(self.windows) + 3.0 * short);
        let used = (groups + 3.0) * buckets.min(bases);
        10.0 * entries + 28.0 * used + 2.0 * 4.0 * groups * buckets
    }

    /// Doublings from a level to the next.
    pub(super) const fn doublings(&self) -> u32 {
        self.window * self.groups
    }

    /// The binary logarithm of the number of buckets of a set.
    pub(super) const fn log_buckets(&self) -> u32 {
        self.window - 1
    }

    /// The binary logarithms of the buckets of a tile, and of the tiles of a set.
    pub(super) const fn log_tiles(&self) -> [u32; 2] {
        let low = if self.log_buckets() < LOG_TILE { self.log_buckets() } else { LOG_TILE };
        [low, self.log_buckets() - low]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plans_cover_all_windows() {
        for window in 2..=17 {
            for levels in 1..=130 {
                let plan = Plan::new(Precomputed { window, levels });
                assert!(plan.windows * plan.window >= BITS);
                assert!(plan.levels <= levels && plan.levels * plan.groups >= plan.windows);
                assert!((plan.levels - 1) * plan.groups < plan.windows, "no level without a window");
                assert!(plan.log_tiles().iter().all(|log| *log <= LOG_TILE));
            }
        }
    }

    #[test]
    fn choices_are_within_memory() {
        for k in 0..=26 {
            let all = Plan::choose(1 << k, usize::MAX);
            assert_eq!(all.groups, 1, "2^{k}: everything beforehand, if it fits");
            for gigabytes in [0, 1, 4, 16] {
                let plan = Plan::choose(1 << k, gigabytes << 30);
                assert!(plan.levels == 1 || (plan.levels as usize) << (k + 6) <= gigabytes << 30);
            }
        }
        assert_eq!([10, 14, 17, 20].map(|k| Plan::choose(1 << k, 4 << 30).window), [9, 13, 16, 17]);
    }
}
