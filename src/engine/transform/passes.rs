//! The transform of eight columns at a time: every lane its own transform, all with the same factors.
//!
//! ```text
//! level h = 1, 2, 4 .. m/2, inputs in bit-reversed order:   x, y  ->  x + w y, x - w y
//! ```
//!
//! Decimation in time lets sums go unreduced: a product is below `6p`, so a level adds at most that. The levels
//! `h < 16` leave products by 1 away, which doubles a value instead: inputs below `2p` are below `32p` after four
//! levels, and below `32p + 8 * 6p = 80p < 2^260` after twelve. Inputs below `p`, those of the first pass, come to
//! `16p + 8 * 6p = 64p`, on a coset to `p + 12 * 6p = 73p`: times a twiddle below `73p / 84.6 + 1.13p < 2p`, which is
//! what the second pass wants.

use crate::engine::ifma::{Ifma, Wide};
use crate::engine::lanes::wide::Factor;

/// The largest `log2 m`.
pub(super) const MAX_LEVELS: u32 = 12;

/// What a product by a [`Factor`] is below, as a multiple of `p`.
const PRODUCT: u64 = 6;

/// Where a transform reads its inputs.
pub(super) trait Source: Copy {
    /// What the inputs are below, as a multiple of `p`; at most 2.
    const BOUND: u64;

    /// Eight elements, those at `index` of eight columns.
    fn get(self, ifma: Ifma, index: usize) -> Wide;
}

/// The factors of a transform, the same in all lanes: `[h + j]` for `x_j` and `x_(j + h)` on level `h`.
#[derive(Clone, Copy)]
pub(super) struct Roots<'a> {
    pub(super) factors: &'a [Factor],
    /// Whether the factors `[h]` are 1. Not on a coset.
    pub(super) plain: bool,
}

impl Roots<'_> {
    /// Whether the product by factor `h` is left away.
    #[inline(always)]
    fn skips(self, h: usize) -> bool {
        self.plain && h < 16
    }
}

/// `x + y, x - y` for `y` below `bound p`.
#[inline(always)]
fn butterfly(ifma: Ifma, x: Wide, y: Wide, bound: u64) -> [Wide; 2] {
    [ifma.add(x, y), ifma.sub(x, y, bound)]
}

/// Transforms `values.len()` inputs of eight columns, four of them at least; outputs are below `80 p`, not carried.
///
/// Cost: `m/2 log2 m` scalings, less about `15 m / 16` on a plain domain.
#[inline(always)]
pub(super) fn transform<S: Source>(ifma: Ifma, source: S, roots: Roots<'_>, values: &mut [Wide]) {
    first_levels(ifma, source, roots, values);
    let mut h = 4;
    while h < values.len() {
        one_level::<S>(ifma, roots, values, h);
        h *= 2;
    }
}

/// Levels 1 and 2, and the bit-reversed order.
#[inline(always)]
fn first_levels<S: Source>(ifma: Ifma, source: S, roots: Roots<'_>, values: &mut [Wide]) {
    let quarter = values.len() / 4;
    let shift = usize::BITS - quarter.ilog2();
    let [_, w1, w2, w3, ..] = roots.factors else { return };
    for (block, out) in values.as_chunks_mut::<4>().0.iter_mut().enumerate() {
        let at = block.reverse_bits().checked_shr(shift).unwrap_or(0);
        let x = [0, 2, 1, 3].map(|part| at + part * quarter);
        let mut x = [source.get(ifma, x[0]), source.get(ifma, x[1]), source.get(ifma, x[2]), source.get(ifma, x[3])];
        if roots.plain {
            let [y0, y1] = butterfly(ifma, x[0], x[1], S::BOUND);
            let [y2, y3] = butterfly(ifma, x[2], x[3], S::BOUND);
            let y3 = ifma.carry(y3);
            let [t, _] = ifma.scale([y3, y3], [w3, w3]);
            let [z0, z2] = butterfly(ifma, y0, y2, 2 * S::BOUND);
            let [z1, z3] = butterfly(ifma, y1, t, PRODUCT);
            *out = [z0, z1, z2, z3];
        } else {
            [x[1], x[3]] = ifma.scale([ifma.carry(x[1]), ifma.carry(x[3])], [w1, w1]);
            let [y0, y1] = butterfly(ifma, x[0], x[1], PRODUCT);
            let [y2, y3] = butterfly(ifma, x[2], x[3], PRODUCT);
            let [t2, t3] = ifma.scale([ifma.carry(y2), ifma.carry(y3)], [w2, w3]);
            let [z0, z2] = butterfly(ifma, y0, t2, PRODUCT);
            let [z1, z3] = butterfly(ifma, y1, t3, PRODUCT);
            *out = [z0, z1, z2, z3];
        }
    }
}

/// Level `h`, 4 at least.
#[inline(always)]
fn one_level<S: Source>(ifma: Ifma, roots: Roots<'_>, values: &mut [Wide], h: usize) {
    let factors = &roots.factors[h..2 * h];
    for block in values.chunks_exact_mut(2 * h) {
        let (a, b) = block.split_at_mut(h);
        for j in (0..h).step_by(2) {
            let mut t = ifma.scale([ifma.carry(b[j]), ifma.carry(b[j + 1])], [&factors[j], &factors[j + 1]]);
            let mut bound = PRODUCT;
            if j == 0 && roots.skips(h) {
                t[0] = b[0];
                bound = S::BOUND * h as u64;
            }
            [a[j], b[j]] = butterfly(ifma, a[j], t[0], bound);
            [a[j + 1], b[j + 1]] = butterfly(ifma, a[j + 1], t[1], PRODUCT);
        }
    }
}
