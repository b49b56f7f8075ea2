//! Exact requantisation: which integer multiplication, addition and shift rounds as ONNX does.
//!
//! A layer of a model that comes quantised has the result `y = min(max(rne(A acc / B), lo), hi)`, with an integer
//! accumulator and real `A, B > 0` that are exact as doubles; `rne` rounds halves to the even integer. The integer network has
//! `min(max(floor((m acc + c) / 2^s), lo), hi)`. Both are steps, `y >= j` from a threshold `T_j` on, so they are equal if and only if
//!
//! ```text
//! m T_j + c >= j 2^s > m (T_j - 1) + c        for every j in lo+1..=hi whose threshold is in reach
//! ```
//!
//! which leaves an interval for `c`, perhaps empty, once `m` is chosen. Spec: `docs/spec/network.md#exact-rounding`.

use super::plan::{IntegerConv, PlanTerm};
use inferproof_circuits::integer::Interval;
use inferproof_circuits::network::{LayerWeights, Term};

/// A positive real number as an integer times a power of two.
#[derive(Clone, Copy)]
struct Dyadic {
    mantissa: i128,
    exponent: i32,
}

impl Dyadic {
    /// `None` unless the number is normal and positive.
    fn new(value: f64) -> Option<Self> {
        if !value.is_normal() || value < 0.0 {
            return None;
        }
        let bits = value.to_bits();
        let (mut mantissa, mut exponent) = ((bits & ((1 << 52) - 1)) | (1 << 52), (bits >> 52) as i32 - 1075);
        let zeros = mantissa.trailing_zeros();
        (mantissa, exponent) = (mantissa >> zeros, exponent + zeros as i32);
        Some(Self { mantissa: i128::from(mantissa), exponent })
    }
}

/// `y` as a function of the accumulator.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rounding {
    /// `A`, exact.
    pub numerator: f64,
    /// `B`, exact.
    pub denominator: f64,
    /// `lo` and `hi`.
    pub range: Interval,
}

impl Rounding {
    /// The least accumulator whose result is at least `j`. `None` where it does not fit into 64 bits.
    fn threshold(&self, j: i64) -> Option<i64> {
        let (a, b) = (Dyadic::new(self.numerator)?, Dyadic::new(self.denominator)?);
        // acc A / B >= j - 1/2, that is acc >= (2 j - 1) B / (2 A); where both are equal, j has to be even.
        let shift = b.exponent - a.exponent - 1;
        let scaled = |value: i128, bits: i32| {
            let bits = u32::try_from(bits).ok().filter(|bits| *bits < 127)?;
            value.checked_mul(1i128.checked_shl(bits)?)
        };
        let top = i128::from(2 * j - 1) * b.mantissa;
        let (top, bottom) =
            if shift >= 0 { (scaled(top, shift)?, a.mantissa) } else { (top, scaled(a.mantissa, -shift)?) };
        let (quotient, rest) = (top.div_euclid(bottom), top.rem_euclid(bottom));
        let least = quotient + i128::from(rest > 0 || j % 2 != 0);
        i64::try_from(least).ok()
    }

    /// `m` and `c` for a shift, if there are any, for accumulators in `reach`.
    ///
    /// Cost: a division for each integer of the range.
    pub fn solve(&self, shift: u32, reach: Interval) -> Option<(i64, i64)> {
        let one = 1i128 << shift;
        // Where all weights are 0 any multiplication will do, and with a tiny scale this may be the case.
        let multiplier = (self.numerator / self.denominator * one as f64).round().max(1.0);
        if !(1.0..=(1i64 << 46) as f64).contains(&multiplier) {
            return None;
        }
        let m = multiplier as i128;
        let (mut least, mut greatest) = (i128::MIN, i128::MAX);
        for j in self.range.lo + 1..=self.range.hi {
            // A threshold that is out of bounds is far out of reach, on the side of its sign.
            let threshold = self.threshold(j).map_or(if j > 0 { i128::MAX } else { i128::MIN }, i128::from);
            let target = i128::from(j) * one;
            if threshold <= i128::from(reach.hi) {
                least = least.max(target - m * threshold.max(reach.lo.into()));
            }
            if threshold > i128::from(reach.lo) {
                let below = if threshold > i128::from(reach.hi) { reach.hi.into() } else { threshold - 1 };
                greatest = greatest.min(target - 1 - m * below);
            }
        }
        if least > greatest {
            return None;
        }
        // The constant of ordinary rounding, if it will do.
        Some((m as i64, i64::try_from((one / 2).clamp(least, greatest)).ok()?))
    }

    /// The result at an accumulator, by the thresholds.
    #[cfg(test)]
    fn apply(&self, acc: i64) -> i64 {
        let reached = |j: &i64| self.threshold(*j).map_or(*j <= 0, |threshold| threshold <= acc);
        self.range.lo + (self.range.lo + 1..=self.range.hi).filter(reached).count() as i64
    }
}

/// Why no multiplication was found that rounds as the model does.
#[derive(Debug)]
pub(super) enum Unsolved {
    /// There is none at this shift.
    Shift,
    /// A sum of two has this many pairs of integers, which are too many to try.
    Pairs(u64),
}

/// Most pairs of integers that are tried.
pub(super) const MAX_PAIRS: u64 = 1 << 20;

/// A layer whose operands and result come quantised.
pub(super) struct Exact<'a> {
    /// Where the result saturates.
    pub range: Interval,
    /// Step of the result.
    pub result: f64,
    /// Steps and ranges of the operands.
    pub operands: &'a [f64],
    pub ranges: &'a [Interval],
    /// Output channels.
    pub channels: usize,
}

type Layer = (Vec<Term>, LayerWeights);

impl Exact<'_> {
    /// Terms and integers of a layer with [`Affine::is_exact_form`](super::plan::Affine::is_exact_form).
    pub fn solve(&self, terms: &[PlanTerm], shift: u32) -> Result<Layer, Unsolved> {
        let layer = |term: Term, constant: i64| {
            let bias = vec![constant - (1 << (shift - 1)); self.channels];
            (vec![term], LayerWeights { terms: vec![vec![]], bias })
        };
        let rounding = |numerator: f64, divisor: f64| Rounding {
            numerator,
            denominator: self.result * divisor,
            range: self.range,
        };
        match terms {
            [PlanTerm::IntegerConv(conv)] => self.convolution(conv, shift),
            [PlanTerm::Scale { input, negative }] => {
                let reach = signed(self.ranges[0], *negative);
                let (m, c) = rounding(self.operands[0], 1.0).solve(shift, reach).ok_or(Unsolved::Shift)?;
                Ok(layer(Term::Scale { input: *input, factor: if *negative { -m } else { m } }, c))
            }
            [PlanTerm::SumPool { input, window, divisor }] => {
                let count = (window.kernel[0] * window.kernel[1]) as i64;
                let Interval { lo, hi } = self.ranges[0];
                let reach = Interval::new((lo * count).min(0), (hi * count).max(0));
                let (m, c) = rounding(self.operands[0], *divisor).solve(shift, reach).ok_or(Unsolved::Shift)?;
                Ok(layer(Term::SumPool { input: *input, window: *window, factor: m }, c))
            }
            [PlanTerm::Product { left, right }] => {
                let [a, b] = [self.ranges[0], self.ranges[1]];
                let corners = [a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi];
                let reach = corners.iter().fold(Interval::new(0, 0), |i, &c| Interval::new(i.lo.min(c), i.hi.max(c)));
                let numerator = self.operands[0] * self.operands[1];
                let (m, c) = rounding(numerator, 1.0).solve(shift, reach).ok_or(Unsolved::Shift)?;
                Ok(layer(Term::Product { left: *left, right: *right, factor: m }, c))
            }
            [PlanTerm::Scale { input: left, negative: one }, PlanTerm::Scale { input: right, negative: two }] => {
                let signs = [*one, *two].map(|negative| if negative { -1 } else { 1 });
                let [m, n] = self.sum(signs, shift)?;
                let terms = vec![
                    Term::Scale { input: *left, factor: signs[0] * m },
                    Term::Scale { input: *right, factor: signs[1] * n },
                ];
                Ok((terms, LayerWeights { terms: vec![vec![], vec![]], bias: vec![0; self.channels] }))
            }
            _ => unreachable!("no other form is exact"),
        }
    }

    /// A multiplication and a constant for each output channel.
    fn convolution(&self, conv: &IntegerConv, shift: u32) -> Result<Layer, Unsolved> {
        let row = conv.weights.len() / conv.steps.len();
        let padded = conv.window.pads != [0; 4];
        let (mut weights, mut biases) = (Vec::with_capacity(conv.weights.len()), vec![]);
        for (channel, &b) in conv.weights.chunks(row).zip(&conv.bias) {
            let reach = reach(channel, self.ranges[0], padded, b);
            let numerator = conv.steps[biases.len()];
            let rounding = Rounding { numerator, denominator: self.result, range: self.range };
            let (m, c) = rounding.solve(shift, reach).ok_or(Unsolved::Shift)?;
            for w in channel {
                weights.push(w.checked_mul(m).ok_or(Unsolved::Shift)?);
            }
            let bias = i128::from(b) * i128::from(m) + i128::from(c) - (1 << (shift - 1));
            biases.push(i64::try_from(bias).map_err(|_| Unsolved::Shift)?);
        }
        let term = Term::Conv { input: conv.input, window: conv.window, groups: conv.groups };
        Ok((vec![term], LayerWeights { terms: vec![weights], bias: biases }))
    }

    /// Multiplications of two operands whose sum is rounded; every pair of integers is tried.
    fn sum(&self, signs: [i64; 2], shift: u32) -> Result<[i64; 2], Unsolved> {
        let [left, right] = [self.ranges[0], self.ranges[1]];
        let pairs = left.len().saturating_mul(right.len());
        if pairs > MAX_PAIRS {
            return Err(Unsolved::Pairs(pairs));
        }
        self.pairs(signs, shift, [left, right]).ok_or(Unsolved::Shift)
    }

    fn pairs(&self, signs: [i64; 2], shift: u32, [left, right]: [Interval; 2]) -> Option<[i64; 2]> {
        let one = (1i64 << shift) as f64;
        let factors = [0, 1].map(|i| (self.operands[i] / self.result * one).round());
        if !factors.iter().all(|factor| (1.0..=(1i64 << 40) as f64).contains(factor)) {
            return None;
        }
        let [m, n] = factors.map(|factor| factor as i64);
        // Real numbers as integers over one power of two.
        let [a, b, d] = [Dyadic::new(self.operands[0])?, Dyadic::new(self.operands[1])?, Dyadic::new(self.result)?];
        let least = a.exponent.min(b.exponent).min(d.exponent);
        let whole = |x: Dyadic| {
            let bits = u32::try_from(x.exponent - least).ok().filter(|bits| *bits <= 40)?;
            Some(x.mantissa << bits)
        };
        let [a, b, d] = [whole(a)?, whole(b)?, whole(d)?];
        let agree = |x: i64, y: i64| {
            let real = i128::from(signs[0] * x) * a + i128::from(signs[1] * y) * b;
            let (quotient, rest) = (real.div_euclid(d), real.rem_euclid(d));
            let up = 2 * rest > d || (2 * rest == d && quotient % 2 != 0);
            let exact = (quotient + i128::from(up)) as i64;
            let got = (signs[0] * m * x + signs[1] * n * y + (1 << (shift - 1))) >> shift;
            got.clamp(self.range.lo, self.range.hi) == exact.clamp(self.range.lo, self.range.hi)
        };
        (left.lo..=left.hi).all(|x| (right.lo..=right.hi).all(|y| agree(x, y))).then_some([m, n])
    }
}

fn signed(range: Interval, negative: bool) -> Interval {
    if negative { Interval::new(-range.hi, -range.lo) } else { range }
}

/// The sums that one output channel can have.
pub(super) fn reach(weights: &[i64], range: Interval, padded: bool, bias: i64) -> Interval {
    weights.iter().fold(Interval::new(bias, bias), |Interval { lo, hi }, &w| {
        let (a, b) = ((w * range.lo).min(w * range.hi), (w * range.lo).max(w * range.hi));
        // Padding is 0.
        if padded { Interval::new(lo + a.min(0), hi + b.max(0)) } else { Interval::new(lo + a, hi + b) }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rounding(numerator: f64, denominator: f64) -> Rounding {
        Rounding { numerator, denominator, range: Interval::new(-128, 127) }
    }

    #[test]
    fn halves_go_to_even() {
        let half = rounding(1.0, 2.0);
        let got: Vec<i64> = (-7..=7).map(|acc| half.apply(acc)).collect();
        assert_eq!(got, [-4, -3, -2, -2, -2, -1, 0, 0, 0, 1, 2, 2, 2, 3, 4]);
        assert_eq!([-300, 300].map(|acc| half.apply(acc)), [-128, 127]);
    }

    #[test]
    fn ties_on_both_sides_have_no_multiplication() {
        assert_eq!(rounding(1.0, 2.0).solve(24, Interval::new(-400, 400)), None);
        // Out of reach they do no harm.
        assert!(rounding(1.0, 2.0).solve(24, Interval::new(0, 2)).is_some());
        assert!(rounding(1.0, 1.0).solve(10, Interval::new(-400, 400)).is_some());
    }

    proptest! {
        /// Against doubles, away from where they cannot tell.
        #[test]
        fn thresholds_are_those_of_real_rounding(a in 1e-6f32..1.0, b in 1e-6f32..1.0, acc in -100_000i64..100_000) {
            let r = rounding(f64::from(a), f64::from(b));
            let real = acc as f64 * f64::from(a) / f64::from(b);
            prop_assume!((real - real.floor() - 0.5).abs() > 1e-9 * real.abs().max(1.0));
            prop_assert_eq!(r.apply(acc), (real.round_ties_even() as i64).clamp(-128, 127));
        }

        /// The solution rounds as the thresholds do, on all accumulators.
        #[test]
        fn solutions_are_exact(a in 0.001f32..0.9, shift in 14u32..36, zero in -100i64..100) {
            let range = Interval::new(-128 - zero, 127 - zero);
            let r = Rounding { numerator: f64::from(a), denominator: 1.0, range };
            let reach = Interval::new(-3000, 3000);
            if let Some((m, c)) = r.solve(shift, reach) {
                for acc in reach.lo..=reach.hi {
                    let got = ((i128::from(m) * i128::from(acc) + i128::from(c)) >> shift) as i64;
                    prop_assert_eq!(got.clamp(range.lo, range.hi), r.apply(acc), "at {}", acc);
                }
            } else {
                prop_assert!(shift < 34, "a shift this large resolves any multiplier without ties");
            }
        }
    }
}
