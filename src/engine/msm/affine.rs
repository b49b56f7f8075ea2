//! Affine points, and the one operation everything else is made of: many additions with one inversion.

use super::field::Fp;
use halo2_proofs::halo2curves::bn256::{Fq, G1Affine};

/// Additions that share an inversion. The scratch of one batch, 64 bytes an addition, should stay in the second
/// level cache; past a thousand additions the inversion is below 2 % of the batch.
const BATCH: usize = 1024;

/// An affine point of BN254 G1. The identity is `(0, 0)` in literal zeros.
///
/// No point of the group has `y = 0` (its order is odd), so `y` alone tells the identity. Aligned to a line of the
/// cache, since sums read points in random order.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Point {
    /// The limbs of `x`, then those of `y`.
    pub(crate) limbs: [u64; 8],
}

impl Point {
    /// The identity.
    pub(crate) const IDENTITY: Self = Self { limbs: [0; 8] };

    #[inline(always)]
    fn new(x: Fp, y: Fp) -> Self {
        let ([a, b, c, d], [e, f, g, h]) = (x.0, y.0);
        Self { limbs: [a, b, c, d, e, f, g, h] }
    }

    #[inline(always)]
    fn x(&self) -> Fp {
        let [a, b, c, d, ..] = self.limbs;
        Fp([a, b, c, d])
    }

    #[inline(always)]
    fn y(&self) -> Fp {
        let [.., e, f, g, h] = self.limbs;
        Fp([e, f, g, h])
    }

    /// Whether this is the identity.
    #[inline(always)]
    pub(crate) fn is_identity(&self) -> bool {
        self.y().is_literal_zero()
    }

    /// `-self` if `negate`, else `self`. Must not be called on the identity.
    #[inline(always)]
    pub(crate) fn negate_if(&self, negate: bool) -> Self {
        Self::new(self.x(), self.y().negate_if(negate))
    }

    /// The endomorphism `(x, y) -> (zeta x, y)`, which multiplies by `Fr::ZETA`.
    pub(crate) fn endomorphism(&self, zeta: Fp) -> Self {
        Self::new(self.x().mul(zeta), self.y())
    }

    /// From the public type.
    pub(crate) fn from_affine(point: &G1Affine) -> Self {
        Self::new(Fp::from_fq(&point.x), Fp::from_fq(&point.y))
    }

    /// To the public type.
    pub(crate) fn to_affine(self) -> G1Affine {
        let (x, y): (Fq, Fq) = (self.x().to_fq(), self.y().to_fq());
        G1Affine { x, y }
    }
}

/// An addition in place: the point at position `.0` gets the one at position `.1` added.
pub(crate) type Pair = (u32, u32);

/// Fewer additions than this are done one by one: most of eight lanes would be idle.
#[cfg(all(feature = "ifma", target_arch = "x86_64"))]
const MIN_WIDE: usize = 6;

/// The additions of points, with the room they need for intermediate values, to be reused from call to call.
pub(crate) struct Adder {
    /// For each addition its denominator, or a literal zero where no inversion is needed.
    denominators: Vec<Fp>,
    /// For each addition its numerator times the product of all denominators before.
    numerators: Vec<Fp>,
    /// The same eight additions at a time, where the processor can do that.
    #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
    wide: Option<super::wide_adder::WideAdder>,
}

impl Adder {
    /// Room is made when it is needed: 64 bytes for each addition of a batch.
    pub(crate) fn new() -> Self {
        Self {
            denominators: Vec::new(),
            numerators: Vec::new(),
            #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
            wide: super::wide_adder::WideAdder::new(),
        }
    }

    /// An adder that does not use [`super::wide_adder`].
    #[cfg(all(test, feature = "ifma", target_arch = "x86_64"))]
    pub(crate) fn one_by_one() -> Self {
        Self { wide: None, ..Self::new() }
    }

    /// Does `points[a] += points[b]` for every pair `(a, b)`, for any operands whatever.
    ///
    /// The positions of all pairs must be distinct; otherwise the sums are wrong (nothing worse).
    ///
    /// Cost: six products an addition, and one inversion for each [`BATCH`] of them.
    pub(crate) fn add_pairs(&mut self, points: &mut [Point], pairs: &[Pair]) {
        #[cfg(all(feature = "ifma", target_arch = "x86_64"))]
        if let Some(wide) = self.wide.as_mut().filter(|_| pairs.len() >= MIN_WIDE) {
            return wide.add_pairs(points, pairs);
        }
        self.denominators.resize(pairs.len().min(BATCH), Fp::ZERO);
        self.numerators.resize(pairs.len().min(BATCH), Fp::ZERO);
        for batch in pairs.chunks(BATCH) {
            let product = multiply_up(points, batch, self);
            divide_down(points, batch, self, product.invert());
        }
    }
}

/// First pass: slopes as fractions, numerators multiplied by the product of the denominators before. Returns the
/// product of all denominators. Additions that need no slope are done here.
fn multiply_up(points: &mut [Point], batch: &[Pair], room: &mut Adder) -> Fp {
    let mut product = Fp::ONE;
    let slots = room.denominators.iter_mut().zip(&mut room.numerators);
    for (&(a, b), (denominator, numerator)) in batch.iter().zip(slots) {
        let (p, q) = (&points[a as usize], &points[b as usize]);
        let mut dx = p.x().sub(q.x());
        let mut dy = p.y().sub(q.y());
        if dx.is_zero() || p.is_identity() || q.is_identity() {
            match slope_or_sum(p, q) {
                Ok((over, under)) => (dy, dx) = (over, under),
                Err(sum) => {
                    *denominator = Fp::ZERO;
                    points[a as usize] = sum;
                    continue;
                }
            }
        }
        *numerator = product.mul(dy);
        *denominator = dx;
        product = product.mul(dx);
    }
    product
}

/// An addition of any points: the slope of the line as (numerator, denominator), or the sum where there is no line.
#[cold]
pub(crate) fn slope_or_sum(p: &Point, q: &Point) -> Result<(Fp, Fp), Point> {
    if p.is_identity() {
        return Err(*q);
    }
    if q.is_identity() {
        return Err(*p);
    }
    let (dx, dy) = (p.x().sub(q.x()), p.y().sub(q.y()));
    if !dx.is_zero() {
        return Ok((dy, dx));
    }
    if !dy.is_zero() {
        return Err(Point::IDENTITY);
    }
    let square = p.x().square();
    Ok((square.add(square).add(square), p.y().add(p.y())))
}

/// Second pass, backwards: `inverse` is that of the product of all denominators of the pairs not yet done.
fn divide_down(points: &mut [Point], batch: &[Pair], room: &Adder, mut inverse: Fp) {
    let slots = room.denominators.iter().zip(&room.numerators);
    let slots = slots.take(batch.len());
    for (&(a, b), (denominator, numerator)) in batch.iter().zip(slots).rev() {
        if denominator.is_literal_zero() {
            continue;
        }
        let slope = inverse.mul(*numerator);
        inverse = inverse.mul(*denominator);
        let (p, q) = (points[a as usize], points[b as usize].x());
        let x = slope.square().sub(p.x()).sub(q);
        let y = slope.mul(p.x().sub(x)).sub(p.y());
        points[a as usize] = Point::new(x, y);
    }
}
