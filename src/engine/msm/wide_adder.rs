//! The additions of [`super::affine`] eight at a time: every lane has its own chain of products.

use super::affine::{Pair, Point, slope_or_sum};
use super::field::{Fp, P};
use super::wide::{Coordinates, limbs64};
use crate::engine::ifma::{Ifma, Wide, limbs52};
use core::arch::x86_64::__m512i;
use pulp::{NullaryFnOnce, cast};

/// Additions that share an inversion; 80 bytes each.
const BATCH: usize = 1024;

/// Additions in one step.
const LANES: usize = 8;

/// What the second pass needs of eight additions.
struct Step {
    /// The denominators of the slopes.
    denominator: Wide,
    /// The numerators, times the product of all denominators before.
    numerator: Wide,
    /// The lanes whose sum is done already, or that are not in use.
    done: u8,
}

/// See [`super::affine::Adder`].
pub(crate) struct WideAdder {
    ifma: Coordinates,
    steps: Vec<Step>,
}

impl WideAdder {
    /// `None` if the processor does not have the instructions.
    pub(crate) fn new() -> Option<Self> {
        Some(Self { ifma: Coordinates(Ifma::try_new()?), steps: Vec::new() })
    }

    /// See [`super::affine::Adder::add_pairs`].
    pub(crate) fn add_pairs(&mut self, points: &mut [Point], pairs: &[Pair]) {
        let ifma = self.ifma;
        for batch in pairs.chunks(BATCH) {
            let steps = &mut self.steps;
            steps.clear();
            let product = ifma.vectorize(MultiplyUp { ifma, points, batch, steps });
            let inverse = invert(product);
            ifma.vectorize(DivideDown { ifma, points, batch, steps, inverse });
        }
    }
}

/// Eight points, limb by limb.
#[inline(always)]
fn load(ifma: Coordinates, points: &[Point], positions: [u32; LANES]) -> [__m512i; 8] {
    let mut rows = [cast([0u64; 8]); LANES];
    for lane in 0..LANES {
        rows[lane] = cast(points[positions[lane] as usize].limbs);
    }
    ifma.transpose(rows)
}

/// The positions of both sides of up to eight pairs. Lanes past the end repeat the last pair.
#[inline(always)]
fn positions(pairs: &[Pair]) -> ([u32; LANES], [u32; LANES]) {
    let (mut a, mut b) = ([0; LANES], [0; LANES]);
    for lane in 0..LANES {
        (a[lane], b[lane]) = pairs[lane.min(pairs.len() - 1)];
    }
    (a, b)
}

#[inline(always)]
fn x(ifma: Coordinates, point: &[__m512i; 8]) -> Wide {
    ifma.unpack([point[0], point[1], point[2], point[3]])
}

#[inline(always)]
fn y(ifma: Coordinates, point: &[__m512i; 8]) -> Wide {
    ifma.unpack([point[4], point[5], point[6], point[7]])
}

/// First pass, as in [`super::affine`]: returns the product of the denominators of each lane.
///
/// A type rather than a closure, because all of it must be inlined where the instructions are known to exist.
struct MultiplyUp<'a> {
    ifma: Coordinates,
    points: &'a mut [Point],
    batch: &'a [Pair],
    steps: &'a mut Vec<Step>,
}

impl NullaryFnOnce for MultiplyUp<'_> {
    type Output = Wide;

    #[inline(always)]
    fn call(self) -> Wide {
        let Self { ifma, points, batch, steps } = self;
        let mut product = ifma.splat(Fp::ONE.0);
        for pairs in batch.chunks(LANES) {
            let (a, b) = positions(pairs);
            let (p, q) = (load(ifma, points, a), load(ifma, points, b));
            let mut denominator = ifma.sub(x(ifma, &p), x(ifma, &q));
            let mut numerator = ifma.sub(y(ifma, &p), y(ifma, &q));
            let mut done = u8::MAX.checked_shl(pairs.len() as u32).unwrap_or(0);
            let suspects = suspects(ifma, &p, &q);
            if suspects != 0 {
                patch(points, pairs, suspects, &mut denominator, &mut numerator, &mut done);
            }
            numerator = ifma.mul(product, numerator);
            product = ifma.mul(product, denominator);
            steps.push(Step { denominator, numerator, done });
        }
        product
    }
}

/// The lanes that may hold points of equal `x`, or the identity: by the lowest limbs only, so that there are hardly
/// ever too many.
#[inline(always)]
fn suspects(ifma: Coordinates, p: &[__m512i; 8], q: &[__m512i; 8]) -> u8 {
    // Both are below 2p: equal elements differ by 0 or by p.
    let difference = ifma.avx512f._mm512_sub_epi64(p[0], q[0]);
    let equal = ifma.equal(difference, 0) | ifma.equal(difference, P[0]) | ifma.equal(difference, P[0].wrapping_neg());
    equal | ifma.equal(p[4], 0) | ifma.equal(q[4], 0)
}

/// Treats suspect lanes one by one: sets the slope of a doubling, does the sums that need no slope.
#[cold]
#[inline(never)]
fn patch(
    points: &mut [Point],
    pairs: &[Pair],
    suspects: u8,
    denominator: &mut Wide,
    numerator: &mut Wide,
    done: &mut u8,
) {
    let mut under: [[u64; 8]; 5] = denominator.map(cast);
    let mut over: [[u64; 8]; 5] = numerator.map(cast);
    for lane in (0..LANES).filter(|lane| suspects >> lane & 1 == 1) {
        let mut set = |(dy, dx): (Fp, Fp)| {
            for (row, limb) in over.iter_mut().zip(limbs52(dy.0)) {
                row[lane] = limb;
            }
            for (row, limb) in under.iter_mut().zip(limbs52(dx.0)) {
                row[lane] = limb;
            }
        };
        let Some(&(a, b)) = pairs.get(lane) else {
            set((Fp::ONE, Fp::ONE));
            continue;
        };
        match slope_or_sum(&points[a as usize], &points[b as usize]) {
            Ok(slope) => set(slope),
            Err(sum) => {
                points[a as usize] = sum;
                *done |= 1 << lane;
                set((Fp::ONE, Fp::ONE));
            }
        }
    }
    *denominator = under.map(cast);
    *numerator = over.map(cast);
}

/// `2^518 / product` in every lane, so that slopes come out as [`DivideDown`] wants them.
///
/// With the products of [`Coordinates::mul`], short of `2^260`, the numerator of a step over the product after it is
/// `slope` itself; the product with `2^518 / product` is `slope 2^258`, whose square is `slope^2 2^256`.
fn invert(product: Wide) -> Wide {
    let limbs: [[u64; 8]; 5] = product.map(cast);
    let values: [Fp; LANES] = core::array::from_fn(|lane| Fp(limbs64(limbs.map(|row| row[lane]))));
    let mut before = [Fp::ONE; LANES];
    for lane in 1..LANES {
        before[lane] = before[lane - 1].mul(values[lane - 1]);
    }
    // The inverse of the Montgomery form v is 2^512 / v; six doublings more make it 2^518 / v.
    let mut inverse = before[LANES - 1].mul(values[LANES - 1]).invert();
    for _ in 0..6 {
        inverse = inverse.add(inverse);
    }
    let mut out = [[0; 8]; 5];
    for lane in (0..LANES).rev() {
        for (row, limb) in out.iter_mut().zip(limbs52(inverse.mul(before[lane]).0)) {
            row[lane] = limb;
        }
        inverse = inverse.mul(values[lane]);
    }
    out.map(cast)
}

/// Second pass, backwards: `inverse` belongs to the product of all denominators of the steps not yet done.
struct DivideDown<'a> {
    ifma: Coordinates,
    points: &'a mut [Point],
    batch: &'a [Pair],
    steps: &'a [Step],
    inverse: Wide,
}

impl NullaryFnOnce for DivideDown<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { ifma, points, batch, steps, mut inverse } = self;
        for (pairs, step) in batch.chunks(LANES).zip(steps).rev() {
            let (a, b) = positions(pairs);
            let (p, q) = (load(ifma, points, a), load(ifma, points, b));
            let (x1, y1, x2) = (x(ifma, &p), y(ifma, &p), x(ifma, &q));
            let slope = ifma.mul(inverse, step.numerator);
            inverse = ifma.mul(inverse, step.denominator);
            let square = ifma.clear(ifma.mul(slope, slope));
            let x3 = ifma.reduce(ifma.minus(ifma.minus(square, x1), x2));
            // slope 2^258 times the form of x1 - x3 is short of a factor of four.
            let product = ifma.clear(ifma.mul(slope, ifma.sub_times_four(x1, x3)));
            let y3 = ifma.reduce(ifma.minus(product, y1));
            let (x3, y3) = (ifma.pack(x3), ifma.pack(y3));
            let rows = ifma.transpose([x3[0], x3[1], x3[2], x3[3], y3[0], y3[1], y3[2], y3[3]]);
            for (lane, pair) in pairs.iter().enumerate() {
                if step.done >> lane & 1 == 0 {
                    points[pair.0 as usize].limbs = cast(rows[lane]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::affine::Adder;
    use super::*;
    use group::{Curve, Group};
    use halo2_proofs::halo2curves::bn256::G1;
    use rand_core::OsRng;

    #[test]
    fn agrees_with_one_by_one() {
        let Some(mut wide) = WideAdder::new() else { return };
        let random = || G1::random(OsRng);
        for count in [1, 5, 8, 9, 100, 1024, 1025, 2500] {
            // All kinds of addition, in lanes that change from step to step.
            let sides = (0..count).map(|i| match (i * i % 11, random()) {
                (1, p) => (p, p),
                (3, p) => (p, -p),
                (4, p) => (p, G1::identity()),
                (5, p) => (G1::identity(), p),
                (9, _) => (G1::identity(), G1::identity()),
                (_, p) => (p, random()),
            });
            let (a, b): (Vec<G1>, Vec<G1>) = sides.unzip();
            let mut points: Vec<Point> = a.iter().chain(&b).map(|p| Point::from_affine(&p.to_affine())).collect();
            let mut alone = points.clone();
            let pairs: Vec<Pair> = (0..count).map(|i| (i, i + count)).collect();
            wide.add_pairs(&mut points, &pairs);
            Adder::one_by_one().add_pairs(&mut alone, &pairs);
            for i in 0..count as usize {
                let expected = (a[i] + b[i]).to_affine();
                assert!(points[i].to_affine() == expected && alone[i].to_affine() == expected, "{i} of {count}");
            }
        }
    }
}
